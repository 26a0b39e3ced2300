"""Records: per key one Avro record, owned by one unit, which may read it back while folding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar

import polars as pl

from schemas import MalformedEvent, Record, decode_record, encode_record
from storage.address import Address
from storage.columns import text_column
from storage.errors import WriteRefused
from storage.format import Format
from storage.frames import record_frame
from storage.session import Session

T = TypeVar("T", bound=Record)

REMEMBERED = 10_000
"""So many rows a unit keeps, or as many as it has loaded at once."""


_PLAIN = {str, int, float, bool, bytes}


class Records(Format, Generic[T]):
    """One record for each key, replaced as a whole.

    Args:
        record: the class of the rows.
    """

    format: ClassVar[str] = "records"
    owned: ClassVar[bool] = True

    def __init__(self, name: str, record: type[T], technology: str = "redis") -> None:
        super().__init__(name, technology)
        self.record = record
        self._known: OrderedDict[str, T | None] = OrderedDict()
        self._room = REMEMBERED

    @property
    def schema(self) -> Mapping[str, Any]:
        """Avro schema of the rows."""
        return self.record.avro_schema()

    def bind(self, session: Session) -> Self:
        """A copy whose writes and reads go through this session."""
        bound = super().bind(session)
        bound._known = OrderedDict()
        return bound

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
        keys = text_column(frame, key, self.storage)
        columns = [item["name"] for item in self.schema["fields"]]
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            raise WriteRefused(f"{self.storage} needs the columns {', '.join(missing)}, which the frame lacks.")
        last = frame.select(columns).with_columns(keys.alias("\0key")).unique("\0key", keep="last", maintain_order=True)
        for row in last.iter_rows(named=True):
            self._put(row.pop("\0key"), self._record(row))

    def put_one(self, key: str, record: T) -> None:
        """Replace one row. Raises PutRefused if its key is not that of an event being folded."""
        self.session.must_own_row(self.storage, key)
        self._put(key, record)

    def get(self, key: str) -> T | None:
        """The row as this unit has left it; None if there is none. Blocks for a read where it is not in memory.

        Raises:
            PutRefused: the key is not that of an event being folded: another unit may own the row.
        """
        self.session.must_own_row(self.storage, key)
        if key in self._known:
            self._known.move_to_end(key)
        else:
            self._fetch([key])
        row = self._known[key]
        self._forget()
        return None if row is None else own_copy(row)

    def load(self, keys: Iterable[Any]) -> pl.DataFrame:
        """The rows of those keys that have one, as a frame with the record's columns, in the order of the keys.

        One read for all; `get` then finds them in memory. Raises PutRefused as `get` does.
        """
        names = list(dict.fromkeys(str(key) for key in keys))
        for name in names:
            self.session.must_own_row(self.storage, name)
        self._room = max(REMEMBERED, len(names))
        missing = [name for name in names if name not in self._known]
        if missing:
            self._fetch(missing)
        rows = [row for name in names if (row := self._known[name]) is not None]
        frame = record_frame(self.schema, [row.to_dict() for row in rows])
        self._forget()
        return frame

    def _fetch(self, keys: list[str]) -> None:
        addresses = [Address(self.storage, key) for key in keys]
        for key, row in zip(keys, self.session.load(addresses), strict=True):
            self._known[key] = None if row is None else decode_record(self.record, row)
            self._known.move_to_end(key)

    def _record(self, row: dict[str, Any]) -> T:
        try:
            return self.record.of(row)
        except (MalformedEvent, KeyError, ValueError) as error:
            raise WriteRefused(f"{self.storage}: a row is refused: {error}") from error

    def _put(self, key: str, record: T) -> None:
        try:
            row = encode_record(self.record, record)
        except MalformedEvent as error:
            raise WriteRefused(f"{self.storage}: the row {key!r} is refused: {error}") from error
        self.session.writes.puts[Address(self.storage, key)] = row
        self._known[key] = own_copy(record)
        self._known.move_to_end(key)
        self._forget()

    def _forget(self) -> None:
        while len(self._known) > self._room:
            self._known.popitem(last=False)


def own_copy(record: T) -> T:
    """A record that shares nothing with this one that could be changed in place: what a learner does to a list that it
    has read, or has put, must not seem committed. Ten times faster than decoding the row anew."""
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
