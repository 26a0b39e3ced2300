"""One unit over a memory: a session whose commits are what readers see."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from schemas import Record
from storage import (
    Address,
    Descriptor,
    Format,
    Memory,
    MemoryReads,
    Outcome,
    Reader,
    Reads,
    Session,
    Technology,
    UnitId,
    Writes,
)
from storage.reader import Located

T = TypeVar("T")
F = TypeVar("F", bound=Format)
R = TypeVar("R", bound=Reader)

START = datetime(2026, 1, 1, tzinfo=UTC)


class Row(Record):
    """A row of records."""

    user: str
    items: list[str]
    seen: int = 0


class FormStage:
    """A learner's unit on one partition, its storages and their readers."""

    def __init__(
        self,
        technology: Technology | None = None,
        reads: Reads | None = None,
        learner: str = "l",
        partition: int = 0,
    ) -> None:
        memory = Memory()
        self.technology: Technology = technology or memory
        self.reads: Reads = reads or MemoryReads(memory)
        self.learner = learner
        self._unit = UnitId(learner, 1, 1, "clicks", partition)
        self._position = 0
        self.asked: list[str] = []
        self.claim()

    def claim(self) -> None:
        """Begin anew, with nothing in memory."""
        self._claim = self.technology.claim(self._unit, f"owner {datetime.now(UTC).timestamp()}")
        self.session = Session(self._read)
        self.session.key_field, self.session.partition = "user", self._unit.partition

    def fold(self, keys: Collection[str] = ()) -> None:
        """Say which keys the events have that are folded next."""
        self.session.begin(lambda: keys)

    def commit(self, watermark_ms: int | None = None) -> Writes:
        """Commit what was collected."""
        writes, new = self.session.take(), self._position + 1
        outcome = self.technology.commit(self._claim, self._claim_position(), new, writes, watermark_ms)
        assert outcome is Outcome.OK
        self._position = new
        self.session.committed()
        return writes

    def describe(self, form: Format) -> Descriptor:
        """The storage, declared."""
        return self.technology.declare(form.describe(self._unit.learner, 1, 1, "clicks"))

    def reader(self, kind: type[R], form: Format, record: type[Record] | None = None) -> R:
        """A reader of one storage."""
        located = Located(self.reads, self.describe(form))
        return kind(lambda: located, record)

    def _claim_position(self) -> int | None:
        return self._position or None

    def _read(self, addresses: Sequence[Address]) -> list[bytes | None]:
        self.asked += [address.key for address in addresses]
        return self.technology.read(self._claim, self._claim_position(), addresses)


def ask(read: Coroutine[Any, Any, T]) -> T:
    """The answer of a reader over a memory."""
    return asyncio.run(read)
