"""A replica's own copy of the shared table, so that it starts and answers without Kafka.

    "MREX"  layout (u16)  0 (u16)  length of the body (u64)  CRC-32 of the body (u32)  body
    body:   JSON, an object of the rows by name, each as its text

All numbers are little endian. A file is replaced as a whole, so that one which was cut is no result of a crash here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from serving.errors import SnapshotRefused
from serving.whole_file import put

MAGIC = b"MREX"
LAYOUT = 1
"""The layout that this release writes, and the only one that it reads."""

_HEADER = struct.Struct("<4sHHQI")


def save(path: Path, rows: Mapping[str, bytes]) -> None:
    """Put the rows in the file's place, at once or not at all. Blocks until the disk has them. Raises OSError."""
    body = msgspec.json.encode({name: row.decode() for name, row in rows.items()})
    put(path, _HEADER.pack(MAGIC, LAYOUT, 0, len(body), zlib.crc32(body)) + body)


def load(path: Path) -> dict[str, bytes]:
    """The rows that were saved; none if there is no file. Blocks.

    Raises:
        SnapshotRefused: it cannot be read, was cut or changed, or has a layout that this release does not know.
    """
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SnapshotRefused(f"{path} cannot be read: {error}.") from error
    if len(found) < _HEADER.size or found[:4] != MAGIC:
        raise SnapshotRefused(f"{path} is no snapshot of experiments; it is left aside, and written anew.")
    _, layout, _, length, checksum = _HEADER.unpack_from(found)
    if layout != LAYOUT:
        raise SnapshotRefused(f"{path} has the layout {layout}, and this release reads {LAYOUT}; it is written anew.")
    body = found[_HEADER.size :]
    if len(body) != length or zlib.crc32(body) != checksum:
        raise SnapshotRefused(f"{path} does not match its checksum; it is left aside, and written anew.")
    try:
        rows = msgspec.json.decode(body, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SnapshotRefused(f"{path} matches its checksum and makes no sense: {error}.") from error
    return {name: row.encode() for name, row in rows.items()}
