"""Answers older than allowed: a writer commits ever greater numbers, readers ask the service for them all the while.

The writer notes when each commit was acknowledged. An answer is too old if it shows less than what was acknowledged
100 ms before it was asked for.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from bisect import bisect_right
from contextlib import closing

import httpx
import msgspec
import uvloop

from benchmarks.prove_models.product.endpoints import Recommendations
from benchmarks.prove_models.rivals import PATH
from benchmarks.prove_models.rows import Writer
from benchmarks.prove_models.stage import Server
from benchmarks.report import say

ALLOWED = 0.1
"""Seconds."""
READERS, SECONDS, PAUSE = 16, 10.0, 0.005
ROWS = ("hammered-1", "hammered-2", "hammered-3")
LEAST = 1_000
"""So many answers must have come out of the cache for the figure to mean anything."""


class Hammer:
    """Commits the next number to every row, again and again, on a thread of its own."""

    def __init__(self, redis_url: str) -> None:
        self._writer = Writer(redis_url, 2)
        self._enough = threading.Event()
        self.numbers = 1
        self._write(1)
        self._acknowledged = [time.monotonic()]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def oldest(self, asked: float) -> int:
        """The least that may be answered to who asked then."""
        return bisect_right(self._acknowledged, asked - ALLOWED)

    def close(self) -> None:
        """Stop writing."""
        self._enough.set()
        self._thread.join()
        self._writer.close()

    def _run(self) -> None:
        while not self._enough.wait(PAUSE):
            self._write(self.numbers + 1)
            self._acknowledged.append(time.monotonic())
            self.numbers += 1

    def _write(self, number: int) -> None:
        self._writer.write((row, {"number": float(number)}) for row in ROWS)


def stale(server: Server, redis_url: str) -> int:
    """How many of the answers were too old."""
    with closing(Hammer(redis_url)) as hammer:
        before = _hits(server)
        wrong, asked = uvloop.run(_asked(server, hammer))
        hits = _hits(server) - before
    say(f"stale: {asked:,} answers during {hammer.numbers:,} commits, {hits:,} rows out of the cache, {wrong} too old")
    if hits < LEAST:
        raise RuntimeError(f"Only {hits} rows came out of the cache, so nothing is proven.")
    return wrong


async def _asked(server: Server, hammer: Hammer) -> tuple[int, int]:
    until = time.monotonic() + SECONDS
    body = msgspec.json.encode({"user": "u1", "films": ROWS})
    decode = msgspec.json.Decoder(Recommendations).decode

    async def ask(client: httpx.AsyncClient) -> tuple[int, int]:
        wrong = count = 0
        while time.monotonic() < until:
            oldest = hammer.oldest(time.monotonic())
            answer = await client.post(server.url + PATH, content=body)
            answer.raise_for_status()
            rows = decode(answer.content).near
            wrong += min((row[0][1] if row else 0.0 for row in rows), default=0.0) < oldest
            count += 1
        return wrong, count

    async with httpx.AsyncClient(timeout=30, headers=server.headers) as client:
        found = await asyncio.gather(*(ask(client) for _ in range(READERS)))
    return sum(wrong for wrong, _ in found), sum(count for _, count in found)


def _hits(server: Server) -> int:
    text = httpx.get(f"{server.url}/metrics", headers=server.headers).text
    return int(re.findall(r'^millrace_near_total\{technology="redis",result="hit"\} (\d+)$', text, re.MULTILINE)[0])
