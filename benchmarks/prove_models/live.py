"""How soon a changed implementation answers: the median of a few."""

from __future__ import annotations

from statistics import median

from benchmarks.prove_models.stage import Server
from benchmarks.save_to_live import save_to_live

TRIES = 5
_NEW = '''

@recommend.implementation
async def saved_{number}(request: Recommend, near: mr.RankingReader) -> Recommendations:
    """Saved by the proof."""
    return Recommendations(await near.top_many(request.films, EACH))
'''


def saved(server: Server) -> float:
    """In seconds; see `benchmarks.save_to_live`."""
    return median(_once(server, number) for number in range(TRIES))


def _once(server: Server, number: int) -> float:
    assert server.folder is not None
    return save_to_live(
        server.folder / "endpoints.py",
        _NEW.format(number=number),
        f"{server.url}/v1/recommend/saved_{number}",
        {"user": "u1", "films": ["film-1"]},
        server.headers,
    )
