"""A file to be loaded: Parquet, Arrow (file or stream), CSV or NDJSON, told apart by what it begins with."""

from __future__ import annotations

import stat
from pathlib import Path

from storage.errors import FileRefused
from storage.loads.arrow_file import ArrowFile, ArrowStream
from storage.loads.csv_file import CsvFile
from storage.loads.file import LoadFile
from storage.loads.ndjson_file import NdjsonFile
from storage.loads.parquet_file import ParquetFile


def opened_file(path: Path) -> LoadFile:
    """The file at a path, its columns known where it has them. It may be read more than once.

    Raises:
        FileRefused: there is none, or it cannot be read, or it is none of these kinds.
    """
    start = _start(path)
    if start.startswith(b"PAR1"):
        return ParquetFile(path)
    if start.startswith(b"ARROW1"):
        return ArrowFile(path)
    if start.startswith(b"\xff\xff\xff\xff"):
        return ArrowStream(path)
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".arrow", ".arrows", ".feather", ".ipc"):
        raise FileRefused(f"{path.name} is no {suffix[1:]} file: it begins with {start[:8]!r}.")
    if start.startswith((b"\x1f\x8b", b"PK", b"\x28\xb5\x2f\xfd", b"BZh")):
        raise FileRefused(f"{path.name} is compressed; unpack it first, or write Parquet.")
    is_json = suffix in (".ndjson", ".jsonl") or (suffix != ".csv" and start.lstrip().startswith(b"{"))
    return NdjsonFile(path) if is_json else CsvFile(path)


def _start(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # opening one may wait for ever
            raise FileRefused(
                f"{path} is no regular file, and a load reads its file more than once; write what comes from it to a "
                "file, and load that."
            )
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror or error}.") from error
    if not start:
        raise FileRefused(f"{path.name} is empty; nothing was loaded.")
    return start
