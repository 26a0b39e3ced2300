"""Readers of partitions that have stopped, as too many events were bad or one cannot be read: shared by all processes.

A stop outlives the process that it befell: whoever reads the partition next stands still too, until somebody lets it go
on. Then bad events up to the end that the log had at that moment count no more, those after it do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import msgspec

from schemas.table import Rows, Table


class Stop(msgspec.Struct, frozen=True):
    """One reader of one partition, which stands still or was let go on.

    It stands still as too many events were bad, or before one that it cannot read.

    Attributes:
        reader: who reads; a learner's name.
        version: of the reader: another one begins anew.
        position: the next offset to read when it stopped; None = the beginning of the log.
        reason: why it stopped, in a sentence.
        at: when, as ISO 8601.
        past: let go on: bad events before this offset do not count; None = it stands still.
        by: who let it go on.
        unreadable: it stands before an event that its schema cannot read: whoever reads next, with the same version and
            maybe another schema, tries again.
    """

    reader: str
    version: int
    topic: str
    partition: int
    position: int | None
    reason: str
    at: str
    past: int | None = None
    by: str = ""
    unreadable: bool = False

    @property
    def key(self) -> str:
        """The row that it is kept in."""
        return key_of(self.reader, self.topic, self.partition)

    @property
    def stands(self) -> bool:
        """Whether it stands still."""
        return self.past is None


class Stops:
    """The table of stops. Its calls block, and raise KafkaUnavailable where Kafka is away."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def all(self) -> dict[str, Stop]:
        """Every stop, also of those that were let go on, by `key_of`."""
        return {key: msgspec.json.decode(value, type=Stop) for key, value in self._table.rows().items()}

    def standing(self) -> list[Stop]:
        """Those that stand still now, by reader, topic and partition."""
        found = [stop for stop in self.all().values() if stop.stands]
        return sorted(found, key=lambda stop: (stop.reader, stop.topic, stop.partition))

    def stop(self, stop: Stop) -> None:
        """Remember that a reader stands still."""
        self._table.change(lambda rows: (stop.key, msgspec.json.encode(stop)))

    def forget(self, stop: Stop) -> None:
        """Remove a row, if it is still this one."""
        self._table.change(lambda rows: (stop.key, None) if rows.get(stop.key) == msgspec.json.encode(stop) else None)

    def go_on(self, reader: str, ends: Mapping[tuple[str, int], int], by: str) -> list[Stop]:
        """Let a reader go on wherever it stands still.

        Args:
            ends: of the topics' partitions; bad events before them do not count.

        Returns:
            the stops that were ended.
        """
        ended = [stop for stop in self.standing() if stop.reader == reader and (stop.topic, stop.partition) in ends]
        for stop in ended:
            going = msgspec.structs.replace(stop, past=ends[stop.topic, stop.partition], by=by)
            self._table.change(partial(_instead, going))
        return ended


def key_of(reader: str, topic: str, partition: int) -> str:
    """The row of a reader on a partition."""
    return f"{reader}/{topic}/{partition}"


def now() -> str:
    """This moment, as stops have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _instead(going: Stop, rows: Rows) -> tuple[str, bytes] | None:
    """The row of one that goes on, unless it does already."""
    before = rows.get(going.key)
    stands = before is not None and msgspec.json.decode(before, type=Stop).stands
    return (going.key, msgspec.json.encode(going)) if stands else None
