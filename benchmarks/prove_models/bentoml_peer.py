"""BentoML as its documentation sets it up, in an environment of its own, over the same Redis and the same three rows.

A service class with an async method and a pydantic answer, served by `bentoml serve` in production mode by one worker,
as all here have. It is tuned by its own settings: no access log, no trace. The rows are read in one round trip, by
redis.asyncio with hiredis. Its metrics stay, as those of the service do. It can be hastened further by what BentoML
itself neither asks for nor tests: uvloop and httptools, which uvicorn uses where it finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.prove_models.installation import installed
from benchmarks.prove_models.product.endpoints import EACH
from benchmarks.prove_models.rows import DESCRIPTOR, STORAGE
from benchmarks.prove_models.stage import Server, listening
from storage.redis.keys import Keys

PACKAGES = ("bentoml==1.4.40", "redis[hiredis]==8.1.0")
HASTE = "uvicorn[standard]==0.54.0"
PATH = "/recommend"
_SERVICE = """import bentoml
import redis.asyncio
from pydantic import BaseModel


class Recommendations(BaseModel):
    near: list[list[tuple[str, float]]]


@bentoml.service(
    workers=1,
    logging={{"access": {{"enabled": False}}}},
    metrics={{"enabled": {metrics}}},
    tracing={{"sample_rate": 0.0, "excluded_urls": ["{path}"]}},
)
class Recommender:
    def __init__(self) -> None:
        self.rows = redis.asyncio.Redis.from_url("{url}", decode_responses=True)

    @bentoml.api
    async def recommend(self, user: str, films: list[str]) -> Recommendations:
        async with self.rows.pipeline(transaction=False) as pipeline:
            for film in films:
                pipeline.zrange("{key}" + film, 0, {last}, withscores=True)
            rows = await pipeline.execute()
        return Recommendations(near=[[(member, -score) for member, score in row] for row in rows])
"""


@contextmanager
def bentoml(folder: Path, redis_url: str, hastened: bool = False) -> Iterator[Server]:
    """The server, ready.

    Args:
        hastened: with uvloop and httptools, and without metrics.

    Raises:
        Missing: it cannot be had.
    """
    program = installed(folder, *PACKAGES, *([HASTE] if hastened else [])) / "bentoml"
    key = Keys.of(DESCRIPTOR).prefix(STORAGE, None)
    text = _SERVICE.format(url=redis_url, key=key, last=EACH - 1, path=PATH, metrics=not hastened)
    service = folder / "service"
    service.mkdir()
    (service / "service.py").write_text(text, "utf-8")
    command = [str(program), "serve", "service:Recommender", "--do-not-track", "--host", "127.0.0.1"]
    name = "bentoml, hastened" if hastened else "bentoml"
    with listening(name, service, [*command, "--port", "{port}"], "/readyz") as server:
        yield server
