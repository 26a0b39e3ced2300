"""Records: per key one Avro record, owned by one unit, which may read it back while folding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

import polars as pl

from schemas import MalformedEvent, Record, decode_record, encode_record
from storage.errors import WriteRefused
from storage.formats.columns import last_rows
from storage.formats.frames import record_frame
from storage.formats.owned import Owned

T = TypeVar("T", bound=Record)

_PLAIN = {str, int, float, bool, bytes}


class Records(Owned[T]):
    """One record for each key, replaced as a whole.

    Args:
        record: the class of the rows.
    """

    format: ClassVar[str] = "records"

    def __init__(self, name: str, record: type[T], technology: str | None = None) -> None:
        super().__init__(name, technology)
        self.record = record

    @property
    def schema(self) -> Mapping[str, Any]:
        """Avro schema of the rows."""
        return self.record.avro_schema()

    def put(self, frame: pl.DataFrame, key: str) -> None:
        """Replace the rows of a frame's keys; of several rows for one key the last counts.

        Args:
            frame: has at least the columns of the record.
            key: the column that is the topic's key.

        Raises:
            PutRefused: it is another column.
            WriteRefused: a null key, a missing column, or a value that the record cannot hold.
        """
        self.session.must_own(self.storage, key)
        if not frame.height:
            return
        keys, rows = last_rows(frame, key, [item["name"] for item in self.schema["fields"]], self.storage)
        for name, row in zip(keys, rows.iter_rows(named=True), strict=True):
            self._put(name, self._record(row))

    def put_one(self, key: str, record: T) -> None:
        """Replace one row. Raises PutRefused if its key is not that of an event being folded."""
        self.session.must_own_row(self.storage, key)
        self._put(key, record)

    def load(self, keys: Iterable[Any]) -> pl.DataFrame:
        """The rows of those keys that have one, as a frame with the record's columns, in the order of the keys.

        One read for all; `get` then finds them in memory. Raises PutRefused as `get` does.
        """
        return record_frame(self.schema, [row.to_dict() for _, row in self._rows(keys)])

    def _record(self, row: dict[str, Any]) -> T:
        try:
            return self.record.of(row)
        except (MalformedEvent, KeyError, ValueError) as error:
            raise WriteRefused(f"{self.storage}: a row is refused: {error}") from error

    def _encoded(self, key: str, value: T) -> bytes:
        try:
            return encode_record(self.record, value)
        except MalformedEvent as error:
            raise WriteRefused(f"{self.storage}: the row {key!r} is refused: {error}") from error

    def _decoded(self, key: str, row: bytes) -> T:
        return decode_record(self.record, row)

    def _copied(self, value: T) -> T:
        return own_copy(value)


def own_copy(record: T) -> T:
    """A record that shares nothing with this one that could be changed in place. Ten times faster than decoding the row
    anew."""
    found = object.__new__(type(record))
    object.__setattr__(found, "__dict__", {name: _own(value) for name, value in record.__dict__.items()})
    return found


def _own(value: Any) -> Any:
    if isinstance(value, list):
        plain = bool(value) and type(value[0]) in _PLAIN  # and so are the others: a list has one type, or null
        return value.copy() if plain else [_own(item) for item in value]
    if isinstance(value, dict):
        return {key: _own(item) for key, item in value.items()}
    return own_copy(value) if isinstance(value, Record) else value
