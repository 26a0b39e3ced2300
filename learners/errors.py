"""What can go wrong in this room.

    MillraceError               (schemas.errors: the root of every room's errors)
    └── LearnerError
        ├── LearnerRefused      a declaration that cannot run; raised before anything starts
        ├── RebuildStopped      a new version cannot be filled any further; the message says why
        ├── EmitRefused         what a learner emits is no event of the topic, or for none that it folds
        └── FoldFailed          a learner raised while folding; names learner, partition and offset

A worker lets none of them end the others' work: a unit that fails is retried or stopped, and says so in the log.
"""

from __future__ import annotations

from learners.raised import raised
from schemas.errors import MillraceError


class LearnerError(MillraceError):
    """Root of this room's errors."""


class LearnerRefused(LearnerError):
    """A learner's declaration cannot run as it stands; the message says what to change."""


class RebuildStopped(LearnerError):
    """A new version is not filled any further; what is filled stays, and the next rebuild goes on from there."""


class EmitRefused(LearnerError):
    """An emitted event does not fit its topic, or it is not said for which event it is emitted."""


class FoldFailed(LearnerError):
    """A learner raised while folding. The event is not skipped; its unit tries again from its committed position.

    Args:
        learner: the learner's name.
        first: offset of the first event of the fold that raised.
        next: offset behind the last one; `next == first + 1` when the failing event is known exactly.

    Attributes:
        what: it raised, and in which line.
    """

    def __init__(self, learner: str, topic: str, partition: int, first: int, next: int, cause: BaseException) -> None:
        self.learner, self.topic, self.partition, self.first, self.next = learner, topic, partition, first, next
        where = f"at offset {first}" if next <= first + 1 else f"at offsets {first} to {next - 1}"
        self.what = raised(cause)
        super().__init__(f"Learner {learner} raised on {topic}/{partition} {where}: {self.what}")
