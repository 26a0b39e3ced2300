"""One learner on one partition, as the storage knows it: who may write, and how far the log is folded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
        parts: of a unit whose storages are in several technologies, the claim in each; see `compound.py`.
    """

    unit: UnitId
    epoch: int
    owner: str
    next: int | None
    parts: tuple[Claim, ...] = ()

    def cut(self, position: int | None) -> int | None:
        """The next place after a position where a commit has to end; None = it may end anywhere."""
        reached = -1 if position is None else position
        return min((part.next for part in self.parts if part.next is not None and part.next > reached), default=None)


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
