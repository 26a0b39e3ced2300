"""`make bench-client`: CPU of this process per ask, beside plain httpx with the same request, in one interleaved run.

The server is another process that gives one answer of ten items, so that only the client is measured. The last line is
the figures as JSON: microseconds of CPU per request, the ratio, and the memory of the process in megabytes.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median

import httpx
import millrace_client as mr
import msgspec

REQUESTS, ROUNDS = 300, 12
FIELDS = [
    "content-type: application/json",
    "millrace-decision: 0192f0c4aaaabbbbccccddddeeeeffff.recommend.personal",
    "millrace-implementation: personal@4be1c09a",
    "millrace-variant: personal",
    "millrace-as-of: 2026-11-24T12:00:00.120Z",
]


class Recommend(msgspec.Struct):
    """The request."""

    user: str


class Item(msgspec.Struct):
    """A part of the answer."""

    id: str
    score: float


class Recommendations(msgspec.Struct):
    """The answer."""

    items: list[Item]


recommend = mr.EndpointType("recommend", Recommend, Recommendations, deadline=timedelta(seconds=5))
BODY = msgspec.json.encode(Recommendations([Item(f"i{number}", float(number)) for number in range(10)]))
ANSWER = "\r\n".join(["HTTP/1.1 200 OK", *FIELDS, f"content-length: {len(BODY)}", "", ""]).encode() + BODY


def serve(listening: socket.socket) -> None:
    """Give every request the one answer, until the process is ended."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    async def run() -> None:
        await (await asyncio.start_server(converse, sock=listening)).serve_forever()

    asyncio.run(run())


async def measure(address: str) -> dict[str, float]:
    """Both in turns; each round's ratio is of the same seconds."""
    async with mr.Client(address) as client, httpx.AsyncClient() as plain:

        async def ask() -> None:
            await client.ask(recommend, Recommend("u7"))

        async def post() -> None:
            answer = await plain.post(f"{address}/v1/recommend", json={"user": "u7"})
            answer.raise_for_status().json()

        await cost(ask)
        await cost(post)
        rounds = [(await cost(ask), await cost(post)) for _ in range(ROUNDS)]
    return {
        "ask_cpu_us": round(median(ours for ours, _ in rounds), 1),
        "httpx_cpu_us": round(median(theirs for _, theirs in rounds), 1),
        "ratio": round(median(ours / theirs for ours, theirs in rounds), 3),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def cost(call: Callable[[], Awaitable[None]]) -> float:
    """Microseconds of this process's CPU per call."""
    began = time.process_time()
    for _ in range(REQUESTS):
        await call()
    return (time.process_time() - began) / REQUESTS * 1e6


def main() -> None:
    """Start the server, measure, print."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
        server.start()
        try:
            found = asyncio.run(measure(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        finally:
            server.terminate()
            server.join()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
