"""Files of one table in every kind that can be loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

KINDS = ("parquet", "arrow", "arrows", "csv", "ndjson")


def written(folder: Path, kind: str, columns: Mapping[str, Sequence[Any]]) -> Path:
    """The table as a file of this kind."""
    path = folder / f"table.{kind}"
    if kind in ("csv", "ndjson"):
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        path.write_text(_csv(rows) if kind == "csv" else "".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        return path
    table = pl.DataFrame(columns).to_arrow()
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=3)
        return path
    make = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    with make(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return path


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [",".join(rows[0]), *(",".join(map(_cell, row.values())) for row in rows)]
    return "".join(f"{line}\n" for line in lines)


def _cell(value: Any) -> str:
    """Empty for null, so that the empty text is in quotes."""
    if value is None:
        return ""
    text = json.dumps(value) if isinstance(value, list) else str(value)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if isinstance(value, list | str) else text
