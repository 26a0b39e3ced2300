"""The changes between two snapshots as events: what is new and what is different, each once.

A snapshot is in the archive before its changes are emitted, so that what is emitted again after a crash are the same
rows in the same order, under the same ids: their source and position, by which learners tell what they have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millrace.sources.content import hashes
from millrace.sources.declaration import ExternalSource
from millrace.sources.errors import SourceRefused
from schemas import EventType
from schemas.errors import MalformedEvent
from schemas.wire import frame as framed
from storage.loads.column import Wrong
from storage.loads.piece import Piece
from storage.loads.records import avro_rows
from streams.producer import LARGEST_EVENT
from streams.sources import INDEX_BITS, MOST, Source

if TYPE_CHECKING:
    from millrace.platform import Platform
    from streams.archive import Snapshots

PATIENCE = 60.0
_VALID_FROM, _ROW = "valid_from", "_row"
_PLACE = "@sources"
"""Stands where a learner names its topic: there is no topic of that name."""


class Changes:
    """A source's rows as events of its topic.

    Raises:
        SourceRefused: an event would lack a field.
    """

    def __init__(self, source: ExternalSource, event_type: EventType) -> None:
        self.source, self.event_type = source, event_type
        self._names = [field.name for field in event_type.shape.fields]
        self._own_id = event_type.id is not None

    def must_fit(self, columns: object) -> None:
        """Check that each field has a column, or a default."""
        known = {*columns, _VALID_FROM, self.event_type.id}  # type: ignore[misc]
        for field in self.event_type.shape.fields:
            if field.name not in known and not field.has_default:
                raise SourceRefused(
                    f"Events of {self.event_type.topic} have a field {field.name!r} without a default, and the source "
                    f"{self.source.name} no such column; give it one, such as `SELECT ... AS {field.name}`."
                )

    def check(self, piece: Piece, frame: pl.DataFrame) -> None:
        """Raise FileRefused for the first row that is no event, so that no snapshot has it."""
        self.must_fit(frame.columns)
        number = 0
        try:
            numbered = frame.with_columns(pl.int_range(frame.height, dtype=pl.Int64).alias(_ROW))
            for number, (key, body) in enumerate(self.encoded(numbered, datetime.fromisoformat("2026-01-01T00:00Z"))):
                if len(body) + len(key or b"") > LARGEST_EVENT:
                    raise piece.refusal(number, None, f"{len(body):,} bytes", f"at most {LARGEST_EVENT:,} in an event")
        except Wrong as wrong:
            raise piece.refusal(
                wrong.row, wrong.column, wrong.found, f"{wrong.expected}, as its event has it"
            ) from None
        except MalformedEvent as error:
            raise piece.misfit(number, error) from None

    def encoded(self, frame: pl.DataFrame, at: datetime) -> Iterator[tuple[bytes | None, bytes]]:
        """Key and Avro body of each row.

        Args:
            frame: with `_row`.
            at: from when on they hold.
        """
        frame = frame.with_columns(pl.lit(at).cast(pl.Datetime("us", "UTC")).alias(_VALID_FROM))
        if self.event_type.id is not None and self.event_type.id not in frame.columns:
            name = pl.format("{}/{}/{}", pl.lit(self.source.name), pl.lit(_milliseconds(at)), pl.col(_ROW))
            frame = frame.with_columns(name.alias(self.event_type.id))
        wanted = frame.select(name for name in self._names if name in frame.columns)
        for row in avro_rows(wanted, self.event_type.schema):
            yield self.event_type.key_of(row), self.event_type.writer.write(row, self.event_type.topic)

    def emit(self, snapshots: Snapshots, before: datetime | None, at: datetime, platform: Platform) -> int:
        """Emit what a snapshot changes, wait until Kafka has all of it, and note that. Blocks.

        Args:
            before: the snapshot up to which all was emitted; None = nothing was.

        Returns:
            how many events there were.

        Raises:
            DeliveryFailed, KafkaUnavailable: Kafka has not all of it; the next run emits the same again.
        """
        topic = self.event_type.topic
        platform.prepare_topic(self.event_type)
        schema_id = platform.registry.register(self.event_type)
        unit, start = Source(self.source.name, 1, _PLACE, 0), _milliseconds(at)
        columns, known, sent = list(snapshots.columns), self._known(snapshots, before), 0
        for frame in snapshots.rows(at):
            changed = frame.filter(~known.has(frame.select(self.source.key), frame.select(columns)))
            rows = changed[_ROW].to_list()
            for row, (key, body) in zip(rows, self.encoded(changed, at), strict=True):
                headers = unit.headers(start + (row >> INDEX_BITS), row % MOST)
                platform.producer.send_bytes(topic, key, framed(schema_id, body), headers, patience=PATIENCE)
            sent += len(rows)
        platform.producer.flush(PATIENCE)
        snapshots.mark_emitted(topic, at)
        return sent

    def _known(self, snapshots: Snapshots, before: datetime | None) -> _Rows:
        known = _Rows()
        if before is not None:
            columns = list(snapshots.columns)
            for frame in snapshots.rows(before):
                known.add(frame.select(self.source.key), frame.select(columns))
        known.sort()
        return known


class _Rows:
    """The rows of a snapshot as two numbers each, of the key and of all."""

    def __init__(self) -> None:
        self._found: list[tuple[NDArray[np.uint64], NDArray[np.uint64]]] = []
        self._keys = self._rows = np.empty(0, np.uint64)

    def add(self, keys: pl.DataFrame, rows: pl.DataFrame) -> None:
        self._found.append((hashes(keys), hashes(rows)))

    def sort(self) -> None:
        if self._found:
            keys, rows = (np.concatenate(part) for part in zip(*self._found, strict=True))
            order = np.argsort(keys)
            self._keys, self._rows, self._found = keys[order], rows[order], []

    def has(self, keys: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
        """Whether each of these rows is among them as it is."""
        wanted, values = hashes(keys), hashes(rows)
        if not self._keys.size:
            return pl.Series(np.zeros(wanted.size, bool))
        places = np.minimum(np.searchsorted(self._keys, wanted), self._keys.size - 1)
        return pl.Series((self._keys[places] == wanted) & (self._rows[places] == values))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
