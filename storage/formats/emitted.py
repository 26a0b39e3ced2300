"""What a learner emits to, kept where its state is: a change that would break its readers' marks is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from schemas import Record
from storage.formats.records import Records


class Nothing(Record):
    """No row is ever written."""

    nothing: str


class Emitted(Records[Nothing]):
    """The partitions of each topic that a learner emits to. It has no rows: all of it is in its options, which a
    version cannot change.

    An event that is emitted again must go where it went before, so the partitions of an emitted topic are fixed. A
    learner without a storage of its own has its position here.
    """

    reads_back: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        super().__init__(name, Nothing)
        self.partitions: dict[str, int] = {}

    @property
    def options(self) -> Mapping[str, Any]:
        """Topic -> partitions."""
        return {"topics": dict(sorted(self.partitions.items()))}
