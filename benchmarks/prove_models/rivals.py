"""What is measured side by side, each a process of its own under uvicorn: `rivals NAME PORT REDIS BYTES`.

- constant: a Starlette route whose endpoint reads the body and sends the same bytes, with nothing between;
- bare: the product's own way from a connection to an implementation and back, and the implementation over a reader,
  decoded and encoded by msgspec: no decision, no experiment, no key;
- redis-asyncio: the same answer as one writes it with Starlette and redis.asyncio: three reads, one after the other.
- redis-asyncio, hastened: what the two above have and nobody writes at first: one pipeline for the three, and Python's
  garbage collector settled as in the service. It is told, and not judged.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.prove_models.product.endpoints import EACH, Recommend, Recommendations, neighbours
from benchmarks.prove_models.rows import DESCRIPTOR, STORAGE, film
from millrace.connection import Connection
from millrace.garbage import settle
from serving.access import Access
from serving.application import Application
from serving.body import read_body
from serving.head import Reply, line
from storage.address import Address
from storage.catalogue import Catalogue
from storage.formats.ranking_reader import RankingReader
from storage.redis.keys import Keys
from storage.technologies import opened_reads

PATH = "/v1/recommend"
LIMIT = 256 * 1024
JSON = [(b"content-type", b"application/json")]
LINES = line("content-type", "application/json")


class Constant:
    """The same bytes to whoever asks."""

    def __init__(self) -> None:
        row = [(film(number), 0.1234567890123456) for number in range(EACH)]
        self._body = msgspec.json.encode(Recommendations([row] * 3))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Read the body and send them."""
        await read_body(receive, LIMIT)
        length = (b"content-length", b"%d" % len(self._body))
        await send({"type": "http.response.start", "status": 200, "headers": [*JSON, length]})
        await send({"type": "http.response.body", "body": self._body})


class Bare:
    """Decode, three reads, encode, in the place of the product's own `Answering`."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Recommend).decode
        self._encode = msgspec.json.Encoder().encode

    def serve(self, reader: RankingReader) -> None:
        """Read from this."""
        self._reader = reader

    async def answer(self, asked: Mapping[str, str], body: bytes) -> Reply:
        """Answer."""
        answer: Recommendations = await neighbours(self._decode(body), self._reader)
        return 200, LINES, self._encode(answer)


def constant(url: str, near: int) -> Starlette:
    """See above."""
    return Starlette(routes=[Route(PATH, Constant(), methods=["POST"])])


def bare(url: str, near: int) -> Starlette:
    """See above."""
    reads = opened_reads("redis", url, room=near)
    catalogue = Catalogue({"redis": reads})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await catalogue.refresh()
        made.serve(catalogue.reader(RankingReader, "near"))
        yield
        await reads.close()

    made = Bare()
    return Application(Access(), cast(Any, made), lifespan=lifespan)


def redis_asyncio(url: str, near: int) -> Starlette:
    """See above."""
    client = redis.asyncio.Redis.from_url(url, decode_responses=True)
    keys = Keys.of(DESCRIPTOR)

    async def answer(request: Request) -> JSONResponse:
        asked = await request.json()
        near = []
        for key in asked["films"]:
            row = await client.zrange(keys.row(Address(STORAGE, key)), 0, EACH - 1, withscores=True)
            near.append([(member, -score) for member, score in row])
        return JSONResponse({"near": near})

    return Starlette(routes=[Route(PATH, answer, methods=["POST"])])


def redis_asyncio_hastened(url: str, near: int) -> Starlette:
    """See above."""
    client = redis.asyncio.Redis.from_url(url, decode_responses=True)
    keys = Keys.of(DESCRIPTOR)

    async def answer(request: Request) -> JSONResponse:
        asked = await request.json()
        async with client.pipeline(transaction=False) as reads:
            for key in asked["films"]:
                reads.zrange(keys.row(Address(STORAGE, key)), 0, EACH - 1, withscores=True)
            found = await reads.execute()
        return JSONResponse({"near": [[(member, -score) for member, score in row] for row in found]})

    return Starlette(routes=[Route(PATH, answer, methods=["POST"])])


RIVALS: dict[str, Callable[[str, int], Starlette]] = {
    "constant": constant,
    "bare": bare,
    "redis-asyncio": redis_asyncio,
    "redis-asyncio, hastened": redis_asyncio_hastened,
}
UNSETTLED = {"redis-asyncio"}
"""With Python's own settings of the garbage collector, as whoever writes a service in the straightforward way leaves
them. All others have the service's (`settle`), so that they differ by what they do alone."""


def main() -> None:
    """Serve until the process is ended."""
    name, port, url, near = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    import uvloop

    config = uvicorn.Config(
        RIVALS[name](url, near),
        port=port,
        http="httptools" if name != "bare" else Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    if name not in UNSETTLED:
        settle()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
