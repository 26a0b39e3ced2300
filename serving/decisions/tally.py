"""What became of the decisions of all answers. No I/O; whoever shares it between threads guards it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """At any moment answers + recovered = logged + queued + spooled + dropped.

    Attributes:
        answers: that were given.
        recovered: decisions that an earlier process had left in the spool.
        logged: that Kafka has acknowledged.
        spooled: that are on disk.
        overflowed: that found no room.
        failed: that Kafka refused, or that the spool has lost.
    """

    answers: int = 0
    recovered: int = 0
    logged: int = 0
    spooled: int = 0
    overflowed: int = 0
    failed: int = 0

    @property
    def dropped(self) -> int:
        """Decisions that are nowhere."""
        return self.overflowed + self.failed

    @property
    def queued(self) -> int:
        """Decisions that are in memory and nowhere else."""
        return self.answers + self.recovered - self.logged - self.spooled - self.overflowed - self.failed
