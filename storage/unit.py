"""One learner on one partition, as the storage knows it: who may write, and how far the log is folded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from storage.errors import WriteRefused

FURTHEST = 2**63 - 2
"""The furthest that a unit may stand: where a row carries its position, it carries it plus one, in 64 bits. Kafka's own
offsets end one further."""


@dataclass(frozen=True, slots=True)
class UnitId:
    """A learner's version on one partition, writing the rows of one generation."""

    learner: str
    version: int
    generation: int
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write a unit's rows, until the next claim of the same unit.

    Attributes:
        epoch: grows by one with each claim.
        owner: the claimant's own random token. Both are checked: after a failover an epoch may be given out twice.
        next: the committed position when it was claimed; None = nothing committed yet.
        parts: of a unit whose storages are in several technologies, the claim in each; see `compound.py`. In Redis
            Cluster those shards that are ahead.
    """

    unit: UnitId
    epoch: int
    owner: str
    next: int | None
    parts: tuple[Claim, ...] = ()

    def cut(self, position: int | None) -> int | None:
        """The next place after a position where a commit has to end; None = it may end anywhere."""
        reached = offset_of(position)
        ends = [end for part in self.parts for end in (part.next, part.cut(position))]
        return min((end for end in ends if end is not None and end > reached), default=None)


def offset_of(position: int | None) -> int:
    """A position as a number: before the first commit it is the lowest."""
    return -1 if position is None else position


def must_fit(position: int) -> None:
    """Raise WriteRefused for a position that not every technology can hold."""
    if position > FURTHEST:
        raise WriteRefused(
            f"A unit cannot stand at {position}: positions end at {FURTHEST}. Nothing was written; begin a new topic."
        )


class Outcome(Enum):
    """What became of a commit. A commit without an answer has none of these: see `UnknownOutcome`."""

    OK = "applied now"
    ALREADY = "an earlier try had been applied"
    FENCED = "refused: another owner has claimed the unit"
    GAP = "refused: the unit stands at another position"


@dataclass(frozen=True, slots=True)
class UnitState:
    """How far a unit is.

    Attributes:
        next: the next offset to fold; None = nothing committed yet.
        watermark_ms: newest event time behind its rows, in ms since 1970; None where events have no time.
        committed_ms: when it last committed, by the storage's clock, in ms since 1970; None = never.
    """

    unit: UnitId
    epoch: int
    next: int | None
    watermark_ms: int | None
    committed_ms: int | None
