"""Memory that idle connections take: `python -m benchmarks.prove_models.idle`.

Clients keep connections open between two requests. Each one here has had an answer, and then only waits, as it may for
30 seconds. What they take is how much more memory the service's process has resident than before the first of them; the
buffers of the sockets, which are the system's, are not in it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.local_stack import local_stack
from benchmarks.prove_models import rows
from benchmarks.prove_models.asking import ask
from benchmarks.prove_models.course import WARM, Bodies
from benchmarks.prove_models.rivals import PATH
from benchmarks.prove_models.stage import Server, keyed, service
from benchmarks.report import say
from millrace.connection import Connection, make_room
from millrace.settings import Settings

COUNTS = (1_000, 5_000)
TOGETHER = 50
"""So many are opened at once, so that none is refused for overload."""
PATIENCE = 20.0
BODY = msgspec.json.encode({"user": "u1", "films": [rows.film(number) for number in range(3)]})

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def tell_memory(folder: Path, settings: Settings, key: str) -> None:
    """Say what they take of a service that has just been started; blocks for some seconds.

    Raises:
        RuntimeError: a connection had no answer, or was closed.
    """
    make_room()
    with service(folder, settings, "idle", key=key) as server:
        taken = asyncio.run(_taken(server, [count for count in COUNTS if count <= Connection.most]))
    for count, megabytes in taken.items():
        say(f"{count:,} idle connections take {megabytes:.1f} MB: {megabytes / count * 1_000:.1f} MB per 1,000")


async def _taken(server: Server, counts: Sequence[int]) -> dict[int, float]:
    """Megabytes by number of connections."""
    await ask(server.port, PATH, Bodies(), WARM, server.key)  # what the first answers leave behind is there before
    before, taken, idle = server.process.memory_info().rss, {}, list[Pair]()
    for count in counts:
        while len(idle) < count:
            some = (_answered(server) for _ in range(min(TOGETHER, count - len(idle))))
            idle += await asyncio.wait_for(asyncio.gather(*some), PATIENCE)
        taken[count] = (server.process.memory_info().rss - before) / 1e6
    closed = sum(reader.at_eof() for reader, _ in idle)
    if closed:
        raise RuntimeError(
            f"{closed} of {len(idle)} were idle for too long and closed; is this machine busy? Try again."
        )
    for _, writer in idle:
        writer.close()
    return taken


async def _answered(server: Server) -> Pair:
    """A connection that has had one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    fields = [f"{name}: {value}" for name, value in server.headers.items()]
    head = [f"POST {PATH} HTTP/1.1", "host: 127.0.0.1", *fields, f"content-length: {len(BODY)}"]
    writer.write("\r\n".join([*head, "content-type: application/json", "", ""]).encode() + BODY)
    answer = await reader.readuntil(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"An idle connection's only request was answered: {answer.decode()}")
    await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return reader, writer


def main() -> None:
    """Start what it needs, and say it."""
    with tempfile.TemporaryDirectory(prefix="millrace-idle-") as place, local_stack(Path(place)) as settings:
        rows.fill(settings.redis_url)
        tell_memory(Path(place), *keyed(Path(place), settings))


if __name__ == "__main__":
    main()
