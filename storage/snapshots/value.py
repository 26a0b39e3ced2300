"""The values in a snapshot: scalars, arrays, numbers by key, and lists of scalars."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Scalar = None | bool | int | float | str
Key = str | int | bool
Array = npt.NDArray[Any]

NONE, BOOLEAN, INTEGER, NUMBER, TEXT, ARRAY, NUMBERS, LIST = range(8)
"""Kinds of values, as they are stored."""
DTYPES = frozenset(["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"])
"""What an array may hold, in numpy's words."""

_INTEGER, _NUMBER, _LENGTH = struct.Struct("<q"), struct.Struct("<d"), struct.Struct("<I")
_FIXED = {BOOLEAN: struct.Struct("<?"), INTEGER: _INTEGER, NUMBER: _NUMBER}


@dataclass(frozen=True)
class Numbers:
    """Numbers by key: sparse weights, counts.

    Attributes:
        by_key: all its keys are texts, or integers, or booleans, and all its numbers integers, or floats.
        maker: what makes the mapping where the model's factory makes none; see `model_state.MAKERS`. 0 = the factory.
    """

    by_key: Mapping[Any, float] = field(default_factory=dict)
    maker: int = 0


Value = Scalar | Array | Numbers | list[Scalar]


class Malformed(ValueError):
    """Bytes that this layout does not have."""


class Contents:
    """Bytes that are read from their beginning to their end. All methods raise Malformed where too few are left."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), 0

    @property
    def left(self) -> int:
        """How many bytes are still to be read."""
        return len(self._data) - self._at

    def take(self, count: int) -> memoryview:
        """The next bytes."""
        if count > self.left:
            raise Malformed(f"{count} bytes are missing, as it has {self.left} more")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The next numbers."""
        return layout.unpack(self.take(layout.size))

    def length(self) -> int:
        """The next number of what follows."""
        return cast(int, self.unpack(_LENGTH)[0])

    def text(self) -> str:
        """The next text."""
        return _decoded(self.take(self.length()))

    def scalars(self, count: int) -> list[Scalar]:
        """The next scalars, each behind its kind. One loop without calls of ours: a list may have millions."""
        data, at, found = self._data, self._at, list[Scalar]()
        try:
            for _ in range(count):
                kind, at = data[at], at + 1
                if kind == TEXT:
                    start = at + _LENGTH.size
                    at = start + _LENGTH.unpack_from(data, at)[0]
                    found.append(str(data[start:at], "utf-8"))
                elif kind == NONE:
                    found.append(None)
                else:
                    layout = _FIXED[kind]
                    found.append(layout.unpack_from(data, at)[0])
                    at += layout.size
        except KeyError as error:
            raise Malformed(f"it has a value of the kind {error}") from error
        except UnicodeDecodeError as error:
            raise Malformed("it has a text that is no UTF-8") from error
        except (IndexError, struct.error) as error:
            raise Malformed(f"a list of {count} values is cut off") from error
        self.take(at - self._at)  # raises where the last text is cut off
        return found

    def array(self, dtype: str, count: int) -> Array:
        """The next numbers as a view that cannot be written to."""
        return np.frombuffer(self.take(np.dtype(dtype).itemsize * count), dtype)


def text_bytes(text: str) -> bytes:
    """A text as it is stored."""
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def write_value(value: Value, parts: list[bytes]) -> None:
    """Append a value's kind and contents. Raises ValueError for what cannot be held; it reads on from a name."""
    if isinstance(value, np.ndarray):
        _write_array(value, parts)
    elif isinstance(value, Numbers):
        _write_numbers(value, parts)
    elif isinstance(value, list):
        parts += [bytes([LIST]), _LENGTH.pack(len(value))]
        parts += map(_scalar_bytes, value)
    else:
        parts.append(_scalar_bytes(value))


def read_value(contents: Contents) -> Value:
    """The next value. Raises Malformed."""
    kind = contents.byte()
    if kind == ARRAY:
        return _read_array(contents)
    if kind == NUMBERS:
        return _read_numbers(contents)
    if kind == LIST:
        return contents.scalars(contents.length())
    return _read_scalar(contents, kind)


def _scalar_bytes(value: Scalar) -> bytes:
    if value is None:
        return bytes([NONE])
    if isinstance(value, bool):
        return bytes([BOOLEAN, value])
    if isinstance(value, int):
        return bytes([INTEGER]) + _integer_bytes(value)
    return bytes([NUMBER]) + _NUMBER.pack(value) if isinstance(value, float) else bytes([TEXT]) + text_bytes(value)


def _integer_bytes(value: int) -> bytes:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"is the integer {value}, and a snapshot holds those of 64 bits")
    return _INTEGER.pack(value)


def _read_scalar(contents: Contents, kind: int) -> Scalar:
    if kind == NONE:
        return None
    if kind == TEXT:
        return contents.text()
    if kind not in _FIXED:
        raise Malformed(f"it has a value of the kind {kind}")
    return cast(Scalar, contents.unpack(_FIXED[kind])[0])


def _write_array(array: Array, parts: list[bytes]) -> None:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if little.dtype.str not in DTYPES:
        raise ValueError(f"is an array of {array.dtype}, and a snapshot holds numbers and booleans")
    dtype = little.dtype.str.encode()
    columns = array.flags.f_contiguous and not array.flags.c_contiguous
    parts += [bytes([ARRAY, len(dtype)]), dtype, bytes([columns, array.ndim])]
    parts += [struct.pack(f"<{array.ndim}Q", *array.shape), little.tobytes("F" if columns else "C")]


def _read_array(contents: Contents) -> Array:
    dtype = _decoded(contents.take(contents.byte()))
    if dtype not in DTYPES:
        raise Malformed(f"it has an array of {dtype!r}")
    columns, dimensions = contents.byte(), contents.byte()
    shape = contents.unpack(struct.Struct(f"<{dimensions}Q"))
    return contents.array(dtype, math.prod(shape)).reshape(shape, order="F" if columns else "C")


def _write_numbers(numbers: Numbers, parts: list[bytes]) -> None:
    keys, values = list(numbers.by_key), list(numbers.by_key.values())
    kind = _kind_of(keys)
    whole = set(map(type, values)) == {int}
    parts += [bytes([NUMBERS, numbers.maker, kind, INTEGER if whole else NUMBER]), _LENGTH.pack(len(keys))]
    if kind == TEXT:
        parts += _texts_bytes(cast(list[str], keys))
    elif kind == BOOLEAN:
        parts.append(bytes(cast(list[bool], keys)))
    else:
        parts.append(_integers_bytes(cast(list[int], keys)))
    parts.append(_integers_bytes(cast(list[int], values)) if whole else np.array(values, "<f8").tobytes())


def _integers_bytes(values: list[int]) -> bytes:
    try:
        return np.array(values, "<i8").tobytes()
    except OverflowError:
        return b"".join(map(_integer_bytes, values))  # which says what is wrong


def _texts_bytes(texts: list[str]) -> list[bytes]:
    """The lengths of many texts, then all of them: where they are ASCII, as they nearly always are, in one go."""
    joined = "".join(texts)
    encoded: list[Any] = texts if joined.isascii() else [text.encode() for text in texts]
    lengths = np.fromiter(map(len, encoded), "<u4", len(texts))
    return [lengths.tobytes(), joined.encode()]


def _read_texts(contents: Contents, count: int) -> list[str]:
    ends = np.cumsum(contents.array("<u4", count), dtype=np.int64).tolist()
    data = contents.take(ends[-1] if ends else 0)
    text = _decoded(data)
    if len(text) == len(data):
        return [text[start:end] for start, end in pairwise([0, *ends])]
    return [_decoded(data[start:end]) for start, end in pairwise([0, *ends])]


def _kind_of(keys: Sequence[Key]) -> int:
    kinds = {type(key) for key in keys} or {str}
    if len(kinds) > 1:
        raise ValueError(f"has keys of several types: {', '.join(sorted(kind.__name__ for kind in kinds))}")
    return {str: TEXT, bool: BOOLEAN, int: INTEGER}[kinds.pop()]


def _read_numbers(contents: Contents) -> Numbers:
    maker, kind, number = contents.byte(), contents.byte(), contents.byte()
    count = contents.length()
    keys: list[Any]
    if kind == TEXT:
        keys = _read_texts(contents, count)
    elif kind in (BOOLEAN, INTEGER):
        keys = contents.array("|b1" if kind == BOOLEAN else "<i8", count).tolist()
    else:
        raise Malformed(f"it has keys of the kind {kind}")
    if number not in (INTEGER, NUMBER):
        raise Malformed(f"it has numbers of the kind {number}")
    by_key = dict(zip(keys, contents.array("<i8" if number == INTEGER else "<f8", count).tolist(), strict=True))
    if len(by_key) != count:
        raise Malformed("it has a key twice")
    return Numbers(by_key, maker)


def _decoded(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("it has a text that is no UTF-8") from error
