"""Parquet and Arrow files as pieces."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import FileRefused
from storage.load_column import shown
from storage.load_file import BYTES, ROWS, LoadFile
from storage.load_piece import FramePiece

_FIRST = 256
"""Rows that say how large the others will be."""


class _Columnar(LoadFile):
    """A file of record batches."""

    def pieces(self) -> Iterator[FramePiece]:
        """See `LoadFile.pieces`."""
        first = 0
        with self._readable():
            for batch in self._batches():
                for part in parts(batch):
                    yield FramePiece(self.name, first, _row, self._frame(part, first))
                    first += part.num_rows

    def _batches(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def _frame(self, batch: pa.RecordBatch, first: int) -> pl.DataFrame:
        """A batch that may hold anything as a frame, which trusts that text is UTF-8 and that offsets are in order."""
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            raise self._damage(batch, first, error) from error
        columns = [_without_map(column) for column in batch.columns]
        return pl.DataFrame(pl.from_arrow(pa.RecordBatch.from_arrays(columns, batch.schema.names)))

    def _damage(self, batch: pa.RecordBatch, first: int, error: Exception) -> FileRefused:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                binary = pa.binary() if pa.types.is_string(column.type) else pa.large_binary()
                for row, text in enumerate(column.view(binary).to_pylist()):
                    if text is not None and not _is_utf8(text):
                        where = f"{self.name}, {_row(first + row)}, column {name!r}"
                        return FileRefused(f"{where}: found {shown(text)}, expected text in UTF-8.")
        return FileRefused(f"{self.name}, after {_row(first)}: the data is damaged: {error}. Write the file again.")


class ParquetFile(_Columnar):
    """Read with a small buffer: a row group may be larger than memory."""

    kind = "Parquet"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._readable(), pq.ParquetFile(path) as file:
            metadata = file.metadata
            self.columns, self.rows = file.schema_arrow.names, metadata.num_rows
            self.optional = frozenset(_with_nulls(metadata))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        done = 0
        with pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
            for batch in file.iter_batches(_rows_at_once(file)):
                yield batch
                done += batch.num_rows
                self.read = done / max(1, self.rows or 0)


class ArrowFile(_Columnar):
    """Mapped into memory, of which only what a piece needs stays resident, unless batches are compressed."""

    kind = "an Arrow file"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._readable(), pa.ipc.open_file(pa.OSFile(str(path))) as reader:
            self.columns = reader.schema.names

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with self.path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.py_buffer(mapped))
        for number in range(reader.num_record_batches):
            for part in parts(reader.get_batch(number)):
                yield part
                mapped.madvise(mmap.MADV_DONTNEED)  # what is still needed comes back from the file
            self.read = (number + 1) / reader.num_record_batches


class ArrowStream(_Columnar):
    """Read batch by batch, each as its writer made it."""

    kind = "an Arrow stream"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._readable(), pa.ipc.open_stream(pa.OSFile(str(path))) as reader:
            self.columns = reader.schema.names

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self.path)) as file:
            for batch in pa.ipc.open_stream(file):
                yield batch
                self.read = file.tell() / file.size()


def parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts that are small enough for a piece."""
    rows = batch.num_rows
    at_once = max(1, min(ROWS, rows * BYTES // max(1, batch.nbytes)))
    for start in range(0, rows, at_once):
        yield batch.slice(start, at_once)


def _rows_at_once(file: pq.ParquetFile) -> int:
    """By what the file says of its size, and by how large its first rows are once they are decoded."""
    metadata = file.metadata
    packed = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    first = next(file.iter_batches(_FIRST), None)
    decoded = 0 if first is None else first.nbytes // max(1, first.num_rows)
    return int(max(1, min(ROWS, BYTES // max(1, decoded, packed // max(1, metadata.num_rows)))))


def _with_nulls(metadata: pq.FileMetaData) -> Iterator[str]:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            if column.statistics is None or column.statistics.null_count:
                yield column.path_in_schema


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
