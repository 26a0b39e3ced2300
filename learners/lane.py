"""One unit in memory: folds and commits by plain calls, with nothing that can fail on the way."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import polars as pl

from learners.declaration import Declaration
from learners.errors import FoldFailed
from learners.fold import Fold
from learners.judge import Judge
from learners.outbox import Outgoing
from schemas import Record
from storage import Address, Memory, UnitId
from storage.errors import Fenced
from storage.unit import Outcome
from streams import Batch


class Lane:
    """What a live unit is to a worker, to a replay: a fold, its claim and its position.

    Args:
        judge: asks the learner before it learns; None = nobody does.

    Attributes:
        emitted: what was emitted and nobody has taken yet.
    """

    def __init__(
        self,
        declaration: Declaration,
        generation: int,
        partition: int,
        memory: Memory,
        judge: Judge | None = None,
    ) -> None:
        version = declaration.learner.version
        self.declaration = declaration
        self.partition = partition
        self._unit = UnitId(declaration.name, version, generation, declaration.topic, partition)
        self._memory, self._judge = memory, judge
        self.emitted: list[Outgoing] = []
        self.claim()

    def claim(self) -> None:
        """Begin anew from what is committed, with an instance and a memory of its own, as after a crash."""
        self._claim = self._memory.claim(self._unit, uuid4().hex)
        self._expected = self._claim.next
        self._fold = Fold(self.declaration, self._read, self.partition)
        if self._judge is not None:
            self._judge.attach(self._fold)

    @property
    def position(self) -> int:
        """The offset that the next event gets."""
        return self._expected or 0

    def fold(self, frame: pl.DataFrame, cuts: Sequence[int] = ()) -> None:
        """Fold and commit a frame of events, in one batch or cut after so many rows each.

        Raises:
            FoldFailed: the learner raised; nothing of the batch is committed.
        """
        start = 0
        for stop in [*cuts, frame.height]:
            self.fold_batch(Batch.of(frame[start:stop], self.declaration.topic, self.partition, self.position))
            start = stop

    def fold_batch(self, batch: Batch) -> None:
        """Fold and commit a batch of the log, whose offsets are those of its events. Raises as `fold` does."""
        self._fold.fold(batch)
        self._commit(batch.next)

    def fold_events(self, events: Sequence[Record]) -> None:
        """Fold events one by one without a frame around them, then commit them together.

        Raises:
            FoldFailed: the learner raised, or what it asked of us was refused; nothing is committed.
        """
        for offset, event in enumerate(events, self.position):
            try:
                self._fold.fold_event(event, offset)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # polars' panics are no `Exception`
                declared = self.declaration
                raise FoldFailed(declared.name, declared.topic, self.partition, offset, offset + 1, error) from error
        self._commit(self.position + len(events))

    def _commit(self, new: int) -> None:
        if self._judge is not None:
            self._judge.settle()
        session = self._fold.session
        self.emitted += self._fold.outbox.take()
        outcome = self._memory.commit(self._claim, self._expected, new, session.take(), self._fold.watermark_ms)
        if outcome is not Outcome.OK and outcome is not Outcome.ALREADY:
            raise Fenced(f"The replay of {self.declaration.name} was overtaken by another; give each its own memory.")
        session.committed()
        self._expected = new

    def _read(self, addresses: Sequence[Address]) -> list[bytes | None]:
        return self._memory.read(self._claim, self._expected, addresses)
