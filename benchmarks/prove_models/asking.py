"""A load of requests on kept-alive connections, on a bare socket, so that it costs less than what it measures."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

CONNECTIONS = 32
LONGEST = 20.0
"""Seconds without an answer after which nothing is measured any more."""


@dataclass(frozen=True)
class Load:
    """What was answered.

    Attributes:
        seconds: from the first request to the last answer.
        waits: of each request, in seconds.
        wrong: answers whose status was not 200.
    """

    requests: int
    seconds: float
    wrong: int
    waits: Sequence[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds

    @property
    def p99_ms(self) -> float:
        """Of the waits."""
        return quantiles(self.waits, n=100, method="inclusive")[98] * 1000


async def ask(
    port: int, path: str, bodies: Callable[[], bytes], seconds: float, key: str = "", rate: float = 0.0
) -> Load:
    """Ask for so many seconds, on all connections.

    Args:
        rate: requests per second; 0 = each connection has its next request as soon as it has its answer.
    """
    loop = asyncio.get_running_loop()
    shown = f"authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{shown}content-type: application/json\r\ncontent-length: "
    every = CONNECTIONS / rate if rate else 0.0
    until = time.perf_counter() + seconds
    begun = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Asker(head.encode(), bodies, until, every), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    askers = [asker for _, asker in made]
    await asyncio.wait_for(asyncio.gather(*(asker.done for asker in askers)), seconds + LONGEST)
    waits = [wait for asker in askers for wait in asker.waits]
    return Load(len(waits), time.perf_counter() - begun, sum(asker.wrong for asker in askers), waits)


class _Asker(asyncio.Protocol):
    """One connection, with a request every so many seconds, or 0 = whenever it has its answer."""

    def __init__(self, head: bytes, bodies: Callable[[], bytes], until: float, every: float) -> None:
        self._head, self._bodies, self._until, self._every = head, bodies, until, every
        self._data = b""
        self.waits: list[float] = []
        self.wrong = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._due = time.perf_counter() + random.random() * self._every
        self._next()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, mark, body = self._data.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._data = b""
        self.waits.append(time.perf_counter() - self._begun)
        self.wrong += not head.startswith(b"HTTP/1.1 200 ")
        if time.perf_counter() < self._until:
            self._next()
        else:
            self._transport.close()
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server hung up"))

    def _next(self) -> None:
        """What is sent late, because the answer before was, has waited since it was due."""
        now = time.perf_counter()
        if not self._every:
            self._send(now)
        elif now < self._due:
            asyncio.get_running_loop().call_later(self._due - now, lambda: self._send(time.perf_counter()))
        else:
            self._send(self._due)
        self._due += self._every

    def _send(self, begun: float) -> None:
        body, self._begun = self._bodies(), begun
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
