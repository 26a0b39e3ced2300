"""Contestants that take turns on one topic: each from the beginning of the log, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.prove_models.installation import Missing
from benchmarks.prove_streams import spent
from benchmarks.prove_streams.contestants import Contestant
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.progress import Standstill, begun, marks, measured
from benchmarks.report import say
from millrace.settings import Settings

Rates = dict[str, list[float]]
"""Of each contestant, by name, the events per second of each round."""


@dataclass
class Course:
    """The topic, and what was measured on it so far.

    Attributes:
        cpu: of each contestant, by name, what an event has cost in each round.
    """

    folder: Path
    settings: Settings
    extent: Extent
    rates: Rates = field(default_factory=dict)
    cpu: dict[str, list[spent.Spent]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    _runs: int = 0

    def run(self, running: Mapping[str, Contestant], seconds: float) -> None:
        """One round: each from the beginning of the log, one after the other. Who fails is out of the next rounds."""
        for name, contestant in running.items():
            if name not in self.failed:
                try:
                    self._turn(name, contestant, seconds)
                except (Missing, Standstill) as error:
                    say(str(error))
                    self.failed.add(name)

    def _turn(self, name: str, contestant: Contestant, seconds: float) -> None:
        self._runs += 1
        with contestant(self.folder / f"{name}-{self._runs}", self.settings) as counting:
            begun(name, counting)
            before, first = spent.seconds(), marks(counting.file)[-1].events
            found = measured(name, counting, self.extent.warm, seconds, self.extent.events)
            cpu = spent.each(before, spent.seconds(), marks(counting.file)[-1].events - first)
        say(
            f"{name}: {found:,.0f} events/s; CPU of an event {cpu['worker']:.2f} us, and {cpu['redis']:.2f} us of Redis"
        )
        self.rates.setdefault(name, []).append(found)
        self.cpu.setdefault(name, []).append(cpu)


def ratio(rates: Rates, one: str, other: str) -> float | None:
    """Of two that took turns the median of the rounds' ratios; None where one of them did not."""
    pairs = list(zip(rates.get(one, []), rates.get(other, []), strict=False))
    return round(median(mine / theirs for mine, theirs in pairs), 3) if pairs else None
