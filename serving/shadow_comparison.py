"""What a shadow answered beside what was answered to the same requests. No I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from serving.measurements.latency import percentile
from serving.metrics import Answers
from serving.problem import Problem


class Copied(NamedTuple):
    """A request that was answered: for whom, its bytes, its decision, who answered what, within how many seconds."""

    unit: str
    body: bytes
    decision: str
    by: str
    answer: bytes
    seconds: float


@dataclass
class Comparison:
    """One shadow beside what was answered, since this process began.

    Attributes:
        same, different: answers that were byte for byte those that were given, and others.
        under_way: copies that are asked now.
        skipped: copies that were not asked, as too many were under way.
        failed: by the reason why there was no answer.
        last: the decision whose request was answered differently last.
        own, given: how long its answers took, and those that were given to the same requests.
    """

    same: int = 0
    different: int = 0
    under_way: int = 0
    skipped: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    last: str | None = None
    own: Answers = field(default_factory=Answers)
    given: Answers = field(default_factory=Answers)

    def take(self, copied: Copied, answer: bytes | Problem, seconds: float) -> None:
        """Count what a copy was answered."""
        if isinstance(answer, Problem):
            self.failed[answer.kind] += 1
            return
        self.own.answered(seconds, False)
        self.given.answered(copied.seconds, False)
        if answer == copied.answer:
            self.same += 1
        else:
            self.different, self.last = self.different + 1, copied.decision

    @property
    def document(self) -> dict[str, Any]:
        """As JSON values; latencies in milliseconds, null without answers."""
        return {
            "same": self.same,
            "different": self.different,
            "failed": dict(self.failed),
            "skipped": self.skipped,
            "last_different": self.last,
            "p50_ms": _milliseconds(self.own, 0.5),
            "p99_ms": _milliseconds(self.own, 0.99),
            "given_p50_ms": _milliseconds(self.given, 0.5),
            "given_p99_ms": _milliseconds(self.given, 0.99),
        }


def _milliseconds(answers: Answers, share: float) -> float | None:
    found = percentile(answers.counts, share)
    return None if found is None else found * 1000
