"""Live services that ask without end, and note what they got: a load on a real server, over real connections."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import quantiles
from types import TracebackType
from typing import Any

import httpx

CLIENTS = 8
THINKING = 0.01
"""Seconds between an answer and its client's next request."""
PATIENCE = 60.0


class Clients(AbstractContextManager["Clients"]):
    """Asks for as long as the block lasts, in a thread of its own.

    Attributes:
        answers: by status and by who answered; status 0 = the connection was refused or broke.
        waits: of the requests by their status, in seconds.
        problems: the body of the first answer of each status that is no success.
    """

    def __init__(
        self, url: str, request: Callable[[int], Any], clients: int = CLIENTS, pause: float = THINKING
    ) -> None:
        self._url, self._request, self._clients, self._pause = url, request, clients, pause
        self._numbers = itertools.count()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), name="clients", daemon=True)
        self.answers: Counter[tuple[int, str]] = Counter()
        self.waits: defaultdict[int, list[float]] = defaultdict(list)
        self.problems: dict[int, str] = {}

    def __enter__(self) -> Clients:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def until(self, who: str, more: int) -> None:
        """Wait for so many more answers of somebody."""
        before, end = self.answers[200, who], time.monotonic() + PATIENCE
        while self.answers[200, who] < before + more:
            if time.monotonic() > end or not self._thread.is_alive():
                raise TimeoutError(f"{who} did not answer {more} times; there were {dict(self.answers)}")
            time.sleep(0.01)

    @property
    def unanswered(self) -> int:
        """Requests that got anything but an answer."""
        return sum(count for (status, _), count in self.answers.items() if status != 200)

    def p99_ms(self, status: int = 200) -> float:
        """Of the waits for this status."""
        return quantiles(self.waits[status], n=100, method="inclusive")[98] * 1000

    async def _all(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=PATIENCE) as http:
            await asyncio.gather(*(self._one(http) for _ in range(self._clients)))

    async def _one(self, http: httpx.AsyncClient) -> None:
        while not self._ending.is_set():
            began, status = time.perf_counter(), 0
            try:
                answer = await http.post(self._url, json=self._request(next(self._numbers)))
            except httpx.TransportError as error:
                self.answers[status, type(error).__name__] += 1
            else:
                status = answer.status_code
                who = answer.headers.get("millrace-implementation", "").partition("@")[0]
                self.answers[status, answer.headers.get("millrace-fallback", who)] += 1
                if not answer.is_success:
                    self.problems.setdefault(status, answer.text)
            self.waits[status].append(time.perf_counter() - began)
            await asyncio.sleep(self._pause)
