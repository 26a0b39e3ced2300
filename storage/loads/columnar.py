"""Files of record batches as pieces; `parquet_file.py` and `arrow_file.py` say how each is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from storage.errors import FileRefused
from storage.loads.column import shown
from storage.loads.file import BYTES, ROWS, LoadFile
from storage.loads.piece import FramePiece

_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000}
_FIRST_DAY, _LAST_DAY = ((day - date(1970, 1, 1)) // timedelta(days=1) for day in (date.min, date.max))


class Columnar(LoadFile):
    """A file of record batches."""

    def pieces(self) -> Iterator[FramePiece]:
        """See `LoadFile.pieces`."""
        first = 0
        with self._readable():
            for batch in gathered(self._batches()):
                for chunk in (batch.slice(start, ROWS) for start in range(0, batch.num_rows, ROWS)):
                    self._must_be_sound(chunk, first)
                    for part in parts(chunk):
                        yield FramePiece(self.name, first, _row, self._frame(part, first))
                        first += part.num_rows

    def _batches(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def _has(self, schema: pa.Schema) -> None:
        """Take the columns' names. Raises FileRefused for columns of which there can be no frame."""
        self.columns = schema.names
        for name in schema.names:
            if schema.names.count(name) > 1:
                raise FileRefused(f"{self.name}: the column {name!r} is there twice; name one of them otherwise.")
        for field in schema:
            if any(map(pa.types.is_decimal256, _types(field.type))):
                raise FileRefused(
                    f"{self.name}: the column {field.name!r} has {field.type}, and a decimal has at most 38 digits; "
                    "cast it to decimal128, or to text."
                )

    def _must_be_sound(self, batch: pa.RecordBatch, first: int) -> None:
        """A batch may hold anything, and what follows trusts that text is UTF-8 and that offsets are in order."""
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            raise self._damage(batch, first, error) from error

    def _frame(self, batch: pa.RecordBatch, first: int) -> pl.DataFrame:
        columns = [_without_map(column) for column in batch.columns]
        frame = pl.DataFrame(pl.from_arrow(pa.RecordBatch.from_arrays(columns, batch.schema.names)))
        for column in frame:
            for row in _no_times(column):
                where = f"{self.name}, {_row(first + row)}, column {column.name!r}"
                count = f"{column.to_physical()[row]} in {column.dtype}"
                raise FileRefused(f"{where}: found {count}, expected a time between the years 1 and 9999.")
        return frame

    def _damage(self, batch: pa.RecordBatch, first: int, error: Exception) -> FileRefused:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                binary = pa.binary() if pa.types.is_string(column.type) else pa.large_binary()
                for row, text in enumerate(column.view(binary).to_pylist()):
                    if text is not None and not _is_utf8(text):
                        where = f"{self.name}, {_row(first + row)}, column {name!r}"
                        return FileRefused(f"{where}: found {shown(text)}, expected text in UTF-8.")
        return FileRefused(f"{self.name}, after {_row(first)}: the data is damaged: {error}. Write the file again.")


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Small batches as larger ones, none larger than a piece unless it came so."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        more = batch.nbytes
        if waiting and (rows + batch.num_rows > ROWS or size + more > BYTES):
            yield pa.concat_batches(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + more
    if waiting:
        yield pa.concat_batches(waiting)


def parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts that are small enough for a piece; its rows may be of very different sizes."""
    rows = batch.num_rows
    if rows > 1 and (rows > ROWS or decoded_bytes(batch) > BYTES):
        yield from parts(batch.slice(0, rows // 2))
        yield from parts(batch.slice(rows // 2))
    elif rows:
        yield batch


def decoded_bytes(batch: pa.RecordBatch) -> int:
    """How large a batch is once every row has its own text."""
    return sum(map(_bytes_of, batch.columns))


def _bytes_of(column: pa.Array) -> int:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _bytes_by_index(column)
    if _is_view(kind):  # whose buffers are never cut to a slice
        return _bytes_of(column.cast(pa.large_binary()))
    if pa.types.is_struct(kind):
        return sum(map(_bytes_of, column.flatten()))
    if pa.types.is_nested(kind) and any(pa.types.is_dictionary(one) or _is_view(one) for one in _types(kind)):
        return 8 * len(column) + _bytes_of(column.flatten())
    return int(column.nbytes)


def _bytes_by_index(column: pa.DictionaryArray) -> int:
    values, width = column.dictionary, 8 * len(column)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return width
    return width + int(pc.sum(pc.binary_length(values).take(column.indices)).as_py() or 0)


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _types(kind: pa.DataType) -> Iterator[pa.DataType]:
    """A type and all that it is made of."""
    yield kind
    for place in range(kind.num_fields):
        yield from _types(kind.field(place).type)


def _no_times(column: pl.Series) -> Iterator[int]:
    """Rows with a time that no calendar of ours has."""
    per_day = 1 if column.dtype == pl.Date else _PER_DAY.get(getattr(column.dtype, "time_unit", ""), 0)
    if per_day and (column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime)):
        found = column.to_physical()
        yield from ((found < _FIRST_DAY * per_day) | (found >= (_LAST_DAY + 1) * per_day)).arg_true()


def _without_map(column: pa.Array) -> pa.Array:
    """Maps as `frame_schema` has them, lists of key and value; polars has made of them this or that."""
    if not pa.types.is_map(column.type):
        return column
    pair = pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])
    return column.cast(pa.list_(pair))


def _row(row: int) -> str:
    return f"row {row + 1}"


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
