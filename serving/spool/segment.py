"""One file of the spool: a first line that says what it is, then records with their length and checksum. No I/O.

    file    = "millrace spool 1\\n" record*
    record  = length (4 bytes) checksum (4 bytes) time (8 bytes: milliseconds since the epoch) body

Numbers are little-endian. The checksum is CRC-32 of time and body: it finds what a cut write, or a disk, has left.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

FIRST_LINE = b"millrace spool 1\n"
LONGEST = 16 * 1024 * 1024
"""Bytes of a body at most; a longer length is damage."""
_HEAD = struct.Struct("<II")
_TIME = struct.Struct("<Q")


class Place(NamedTuple):
    """Where a record begins: its segment's number and its offset in bytes. Places are ordered as records are."""

    segment: int
    offset: int


class Found(NamedTuple):
    """A record as it was read. `at` is in milliseconds since the epoch; `end` is where the next one begins."""

    place: Place
    end: int
    at: int
    body: bytes


def packed(at: int, body: bytes) -> bytes:
    """A record."""
    content = _TIME.pack(at) + body
    return _HEAD.pack(len(content), crc32(content)) + content


def records(place: Place, content: bytes) -> Iterator[Found]:
    """The whole records in content that begins at this place. One that is damaged within is left out, where a whole one
    follows it; else it ends before the first that is none."""
    offset = 0
    while offset + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, offset)
        start, end = offset + _HEAD.size, offset + _HEAD.size + length
        if not _TIME.size <= length <= LONGEST or end > len(content):
            return
        record = content[start:end]
        if crc32(record) != checksum:
            if not _begins(content, end):
                return
            offset = end
            continue
        here = Place(place.segment, place.offset + offset)
        yield Found(here, place.offset + end, _TIME.unpack_from(record)[0], record[_TIME.size :])
        offset = end


def _begins(content: bytes, offset: int) -> bool:
    """Whether a whole record begins here."""
    if offset + _HEAD.size > len(content):
        return False
    length, checksum = _HEAD.unpack_from(content, offset)
    start = offset + _HEAD.size
    return bool(_TIME.size <= length <= LONGEST and crc32(content[start : start + length]) == checksum)
