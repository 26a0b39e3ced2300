"""What a learner does with events that come late, and which those are. No I/O, no clock but the events' own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple, get_args

from learners.errors import LearnerRefused
from storage.clock import moment

Otherwise = Literal["drop", "dead_letter", "keep"]
MOST = timedelta(days=366)
"""So late an event may be, at most."""
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Late:
    """When an event is late: it happened before its unit's watermark.

    The watermark is the newest event time that the unit (the learner on one partition) had seen before, less `allowed`.
    So it follows from the log alone: not from clocks, nor from where batches end.

    Attributes:
        allowed: so far out of order events may be.
        otherwise: a late event is dropped; goes to the dead letters and is not learned; or is kept and learned as the
            others are. In each case it is counted.
    """

    allowed: timedelta
    otherwise: Otherwise = "drop"

    def __post_init__(self) -> None:
        if not timedelta() <= self.allowed <= MOST or self.allowed % _MILLISECOND:
            raise LearnerRefused(
                f"Late(allowed={self.allowed}) is no limit: it must be whole milliseconds, from 0 to {MOST.days} days."
            )
        if self.otherwise not in get_args(Otherwise):
            raise LearnerRefused(
                f"Late(otherwise={self.otherwise!r}) is no rule; there are {', '.join(get_args(Otherwise))}."
            )

    @property
    def allowed_ms(self) -> int:
        """The same in milliseconds."""
        return self.allowed // _MILLISECOND


class LateEvent(NamedTuple):
    """An event that came before its unit's watermark; both times in ms since 1970."""

    offset: int
    at_ms: int
    watermark_ms: int

    def reason(self, learner: str) -> str:
        """What is wrong with it, for a person to read."""
        return (
            f"{learner} takes it as late: it happened at {moment(self.at_ms)}, and the watermark was at "
            f"{moment(self.watermark_ms)}."
        )
