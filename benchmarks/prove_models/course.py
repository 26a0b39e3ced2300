"""Servers that are asked in turns, so that each ratio is of the same seconds."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from statistics import median

import msgspec
import uvloop

from benchmarks.prove_models import rows
from benchmarks.prove_models.asking import Load, ask
from benchmarks.prove_models.rivals import PATH
from benchmarks.prove_models.stage import Server

ROUNDS, SECONDS, WARM = 8, 2.0, 2.0
"""So many rounds, in each of which every server is asked for so many seconds; before the first one it is warmed up."""


@dataclass
class Course:
    """One server's rounds."""

    server: Server
    path: str = PATH
    bodies: Callable[[], bytes] = field(default_factory=lambda: Bodies())
    loads: list[Load] = field(default_factory=list)
    cpu: float = 0.0

    def run(self, seconds: float, rate: float, counts: bool = True) -> None:
        """Ask it for so long, at a rate; see `ask`."""
        before = self.server.cpu()
        load = uvloop.run(ask(self.server.port, self.path, self.bodies, seconds, self.server.key, rate))
        if load.wrong:
            raise RuntimeError(f"{self.server.name} gave {load.wrong} answers that are none.")
        if counts:
            self.cpu += self.server.cpu() - before
            self.loads.append(load)

    @property
    def cpu_us(self) -> float:
        """CPU time per request."""
        return self.cpu * 1e6 / sum(load.requests for load in self.loads)

    @property
    def rate(self) -> float:
        """Its requests per second, the median of the rounds."""
        return median(load.rate for load in self.loads)

    def against(self, other: Course) -> float:
        """Its requests per second by the other's, the median of the rounds."""
        return median(mine.rate / theirs.rate for mine, theirs in zip(self.loads, other.loads, strict=True))

    def waits_against(self, other: Course) -> float:
        """The 99th percentile of its waits by the other's, the median of the rounds."""
        return median(mine.p99_ms / theirs.p99_ms for mine, theirs in zip(self.loads, other.loads, strict=True))

    def said(self) -> str:
        """Its figures, for people."""
        wait = median(load.p99_ms for load in self.loads)
        return f"{self.cpu_us:.1f} us of CPU, {self.rate:,.0f}/s, p99 {wait:.1f} ms"


def in_turns(courses: Collection[Course], rounds: int = ROUNDS, rate: float = 0.0) -> None:
    """So many rounds of all of them, after each was warmed up."""
    for course in courses:
        course.run(WARM, rate, counts=False)
    for _ in range(rounds):
        for course in courses:
            course.run(SECONDS, rate)


class Bodies:
    """Requests for three films each, drawn anew."""

    def __init__(self) -> None:
        self._chance = random.Random()
        self._films = rows.Popular(self._chance)
        self._made = [self._new() for _ in range(20_000)]
        self._next = 0

    def __call__(self) -> bytes:
        self._next = (self._next + 1) % len(self._made)
        return self._made[self._next]

    def _new(self) -> bytes:
        films = [rows.film(number) for number in self._films.some(3)]
        return msgspec.json.encode({"user": f"u{self._chance.randrange(100_000)}", "films": films})
