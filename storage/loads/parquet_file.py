"""Parquet files as pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.loads.columnar import Columnar
from storage.loads.file import BYTES, ROWS

_AT_ONCE, _AT_ONCE_NESTED = 8_192, 1_024
"""The most rows that are decoded at once; more would cost memory and gain nothing. Lists may be of unequal lengths."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_HARMLESS = 16 * BYTES
_LOOKED_AT = 64


class ParquetFile(Columnar):
    """Read a little at a time: a row group may be larger than memory, and a text that is stored once be in each row."""

    kind = "Parquet"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._readable(), pq.ParquetFile(path) as file:
            metadata = file.metadata
            self._has(file.schema_arrow)
            self._rows = metadata.num_rows
            self.optional = frozenset(_with_nulls(metadata))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        done, at_once = 0, _rows_at_once(self.path)
        with pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
            for batch in file.iter_batches(at_once):
                yield batch
                done += batch.num_rows
                self.read = done / max(1, self._rows)


def _rows_at_once(path: Path) -> int:
    """So few that what they decode to fits into a piece, as the group has it whose rows may be the largest."""
    with pq.ParquetFile(path) as plain:
        metadata, columns = plain.metadata, [plain.schema.column(place) for place in range(len(plain.schema))]
    nested = any(column.max_repetition_level for column in columns)
    most = min(ROWS, _AT_ONCE_NESTED if nested else _AT_ONCE)
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    with pq.ParquetFile(path, read_dictionary=texts, buffer_size=1 << 20, pre_buffer=False) as file:
        for group in range(metadata.num_row_groups):
            most = min(most, int(BYTES // max(1.0, _row_bytes(file, group))))
    return max(1, most)


def _row_bytes(file: pq.ParquetFile, number: int) -> float:
    """What a row of a group decodes to: with the longest text that is stored once for many, and else on average."""
    group, size = file.metadata.row_group(number), 0.0
    for place in range(group.num_columns):
        chunk = group.column(place)
        width = _WIDTHS.get(chunk.physical_type, max(0, file.schema.column(place).length))
        if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page:
            width += _longest(file, number, chunk)
        size += chunk.total_uncompressed_size + width * chunk.num_values
    return float(size / max(1, group.num_rows))


def _longest(file: pq.ParquetFile, group: int, chunk: pq.ColumnChunkMetaData) -> int:
    """Bytes of the longest text in a chunk's dictionary; 0 where the chunk is too small for that to matter."""
    if chunk.total_uncompressed_size * chunk.num_values <= _HARMLESS:
        return 0
    column = chunk.path_in_schema.partition(".")[0]
    batch = next(file.iter_batches(_LOOKED_AT, row_groups=[group], columns=[column]))
    lengths = [pc.max(pc.binary_length(texts)).as_py() for texts in _dictionaries(batch.column(0))]
    return max((length for length in lengths if length is not None), default=int(chunk.total_uncompressed_size))


def _dictionaries(column: pa.Array) -> Iterator[pa.Array]:
    if pa.types.is_dictionary(column.type):
        yield column.dictionary
    elif pa.types.is_struct(column.type):
        for inner in column.flatten():
            yield from _dictionaries(inner)
    elif pa.types.is_map(column.type):
        yield from (found for inner in (column.keys, column.items) for found in _dictionaries(inner))
    elif pa.types.is_nested(column.type):
        yield from _dictionaries(column.values)


def _with_nulls(metadata: pq.FileMetaData) -> Iterator[str]:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            if column.statistics is None or column.statistics.null_count:
                yield column.path_in_schema
