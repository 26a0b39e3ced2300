"""A model's parameters as bytes, in a layout of our own: nothing in them names code, and nothing is run to read them.

    "MRPS"  layout (u16)  0 (u16)  length of the body (u64)  CRC-32 of the body (u32)  body
    body:   examples (u64)  number of values (u32)  values
    value:  path (text)  flags (u8)  kind (u8)  contents, see `value.py`

All numbers are little endian; a text is its length in bytes (u32) and UTF-8. `docs/formats.md` says it for readers in
other languages.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.errors import FormatRefused, SuspectGeneration
from storage.snapshots.value import Contents, Malformed, Value, read_value, text_bytes, write_value

MAGIC = b"MRPS"
LAYOUT = 1
"""The layout that this release writes, and the only one that it reads."""

_HEADER = struct.Struct("<4sHHQI")
_BODY = struct.Struct("<QI")
_AS_MADE = 1


@dataclass(frozen=True)
class Snapshot:
    """What one unit's model has learned.

    Attributes:
        examples: events that it was learned from.
        values: path within the model -> value; see `model_state.py` for paths.
        as_made: paths of numbers that are still as the model's factory made them.
    """

    examples: int = 0
    values: Mapping[str, Value] = field(default_factory=dict)
    as_made: frozenset[str] = frozenset()

    def to_bytes(self) -> bytes:
        """The row. Raises ValueError for a value that the layout cannot hold; it names the path."""
        parts = [_BODY.pack(self.examples, len(self.values))]
        for path, value in self.values.items():
            parts += [text_bytes(path), bytes([_AS_MADE if path in self.as_made else 0])]
            try:
                write_value(value, parts)
            except ValueError as error:
                raise ValueError(f"{path} {error}") from error
        body = b"".join(parts)
        return _HEADER.pack(MAGIC, LAYOUT, 0, len(body), zlib.crc32(body)) + body

    @classmethod
    def of_bytes(cls, row: bytes, what: str) -> Snapshot:
        """Read what `to_bytes` wrote; arrays are views of the row that cannot be written to.

        Args:
            what: whose row it is, for messages: "redis/parameters/like_rate@1 of unit 0".

        Raises:
            FormatRefused: it has a layout that this release does not know.
            SuspectGeneration: it was cut or changed, or is no snapshot.
        """
        body = _body(row, what)
        try:
            return cls._of_body(Contents(body))
        except ValueError as error:  # also what numpy says of an impossible shape
            raise SuspectGeneration(f"{what} matches its checksum and makes no sense: {error}. {_REBUILD}") from error

    @classmethod
    def _of_body(cls, contents: Contents) -> Snapshot:
        examples, count = contents.unpack(_BODY)
        values: dict[str, Value] = {}
        as_made: set[str] = set()
        for _ in range(count):
            path = contents.text()
            if path in values:
                raise Malformed(f"it has {path} twice")
            if contents.byte() & _AS_MADE:
                as_made.add(path)
            values[path] = read_value(contents)
        if contents.left:
            raise Malformed(f"{contents.left} bytes follow its last value")
        return cls(examples, values, frozenset(as_made))


_REBUILD = "Somebody else has written or cut it; rebuild the storage in a new version of its learner."


def _body(row: bytes, what: str) -> bytes:
    """What follows a header that fits it."""
    if len(row) < _HEADER.size or row[:4] != MAGIC:
        raise SuspectGeneration(f"{what} is no snapshot of parameters: it begins with {row[:4]!r}. {_REBUILD}")
    _, layout, _, length, checksum = _HEADER.unpack_from(row)
    if layout != LAYOUT:
        raise FormatRefused(
            f"{what} has the layout {layout}, and this release reads the layout {LAYOUT}; upgrade what reads it."
        )
    body = row[_HEADER.size :]
    if len(body) != length:
        raise SuspectGeneration(f"{what} has {len(body)} bytes behind its header instead of {length}. {_REBUILD}")
    if zlib.crc32(body) != checksum:
        raise SuspectGeneration(f"{what} does not match its checksum. {_REBUILD}")
    return body
