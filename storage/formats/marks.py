"""How far a unit has come in the events of each source that emits to its topic: how it drops those emitted twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas import Record
from storage.address import Address
from storage.errors import SuspectGeneration
from storage.formats.records import Records
from storage.session import Session

MOST = 10_000
"""Sources that a unit tells apart; events of others are all taken. Each costs some 60 bytes of every commit."""


class SourceMarks(Record):
    """The marks of one unit.

    Attributes:
        unit: its partition, which is the row's key.
        sources: each unit that has emitted to it.
        positions: of each the highest position that was folded.
    """

    unit: str
    sources: list[str]
    positions: list[int]


class Marks(Records[SourceMarks]):
    """A mark for each source: the highest position whose emission was folded. No learner sees it.

    A source emits in the order of its positions, and begins again where it was committed when it was interrupted: what
    is at or below its mark is a repeat. The marks are read once after a claim, and written with the commits.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, SourceMarks)
        self._marks: dict[str, int] | None = None
        self._changed = False

    def bind(self, session: Session) -> Self:
        """A copy that knows nothing yet, and is written before each commit."""
        bound = super().bind(session)
        bound._marks, bound._changed = None, False
        session.before_taking(bound._write)
        return bound

    def first(self, names: Sequence[str], which: NDArray[np.int32], positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each event is not below its source's mark; raises the marks. Blocks for a read where it is called
        first after a claim.

        Args:
            which: the place in `names` of each event's source; negative = it has none, and is always taken.
        """
        if self._marks is None:
            self._marks = self._restored()
        kept = np.ones(len(which), dtype=bool)
        for place, name in enumerate(names):
            rows = np.flatnonzero(which == place)
            if not len(rows) or (name not in self._marks and len(self._marks) >= MOST):
                continue
            mine, mark = positions[rows], self._marks.get(name, -1)
            before = np.maximum.accumulate(np.concatenate(([mark], mine[:-1])))
            kept[rows] = mine > before
            highest = max(mark, int(mine.max()))
            if highest != mark:
                self._marks[name], self._changed = highest, True
        return kept

    def _restored(self) -> dict[str, int]:
        [row] = self.session.load([self._address])
        if row is None:
            return {}
        found = self._decoded(self._address.key, row)
        if len(found.sources) != len(found.positions):
            raise SuspectGeneration(f"{self.storage} of unit {found.unit} holds no whole marks.")
        return dict(zip(found.sources, found.positions, strict=True))

    def _write(self) -> None:
        if self._marks is None or not self._changed:
            return
        key = self._address.key
        row = SourceMarks(key, list(self._marks), list(self._marks.values()))
        self.session.writes.puts[self._address] = self._encoded(key, row)
        self._changed = False

    @property
    def _address(self) -> Address:
        return Address(self.storage, str(self.session.partition))
