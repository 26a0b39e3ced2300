"""A snapshot holds what was put into it to the last bit, and refuses what it does not know in words."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from storage import FormatRefused, SuspectGeneration
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import DTYPES, Numbers, Value

integers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | integers | st.floats() | st.text()
keys: list[st.SearchStrategy[Any]] = [st.text(), integers, st.booleans()]
numbers = st.one_of(
    *(
        st.builds(Numbers, st.dictionaries(key, number, max_size=5), st.integers(0, 5))
        for key in keys
        for number in (st.floats(), integers)
    )
)
arrays = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4))
)
values = st.dictionaries(st.text(), scalars | numbers | arrays | st.lists(scalars, max_size=5), max_size=6)


def same(one: Value, other: Value) -> bool:
    """Equal to the last bit, NaN and the order of keys too."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and (one.dtype, one.shape) == (other.dtype, other.shape)
            and repr(one.tolist()) == repr(other.tolist())
        )
    return type(one) is type(other) and repr(one) == repr(other)


@given(values, st.integers(0, 2**64 - 1), st.data())
def test_what_was_written_is_read(held: dict[str, Value], examples: int, data: st.DataObject) -> None:
    as_made = frozenset(data.draw(st.sets(st.sampled_from(sorted(held))))) if held else frozenset()
    row = Snapshot(examples, held, as_made).to_bytes()
    found = Snapshot.of_bytes(row, "it")
    assert (found.examples, list(found.values), found.as_made) == (examples, list(held), as_made)
    assert all(same(value, found.values[path]) for path, value in held.items())
    assert found.to_bytes() == row


def test_the_layout_is_as_it_is_documented() -> None:
    row = Snapshot(3, {"w": np.array([[1.0, 2.0]], np.float32), "a/b": Numbers({"é": 0.5})}, frozenset("w")).to_bytes()
    body = b"".join(
        [
            struct.pack("<QI", 3, 2),
            struct.pack("<I", 1) + b"w" + bytes([1, 5, 3]) + b"<f4" + bytes([0, 2]) + struct.pack("<QQff", 1, 2, 1, 2),
            struct.pack("<I", 3) + b"a/b" + bytes([0, 6, 0, 4, 3]),
            struct.pack("<II", 1, 2) + "é".encode() + struct.pack("<d", 0.5),
        ]
    )
    assert row == b"MRPS" + struct.pack("<HHQI", 1, 0, len(body), zlib.crc32(body)) + body


def test_columns_stay_columns() -> None:
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = Snapshot.of_bytes(Snapshot(0, {"w": columns}).to_bytes(), "it").values["w"]
    assert isinstance(found, np.ndarray)
    assert found.flags.f_contiguous
    assert np.array_equal(found, columns)


@given(values, st.data())
def test_a_snapshot_that_was_cut_or_changed_is_never_read(held: dict[str, Value], data: st.DataObject) -> None:
    row = bytearray(Snapshot(1, held).to_bytes())
    if data.draw(st.booleans()):
        row = row[: data.draw(st.integers(0, len(row) - 1))]
    else:
        place = data.draw(st.integers(0, len(row) - 1).filter(lambda place: place not in (6, 7)))  # two are not used
        row[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((SuspectGeneration, FormatRefused), match="it of unit 0"):
        Snapshot.of_bytes(bytes(row), "it of unit 0")


def signed(body: bytes, layout: int = 1) -> bytes:
    return b"MRPS" + struct.pack("<HHQI", layout, 0, len(body), zlib.crc32(body)) + body


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"", "no snapshot"),
        (b"\x80\x04\x95" + b"x" * 40, "no snapshot"),
        (Snapshot(1).to_bytes() + b"x", "13 bytes behind its header instead of 12"),
        (Snapshot(1).to_bytes()[:-1] + b"x", "checksum"),
        (signed(struct.pack("<QI", 1, 0) + b"more"), "4 bytes follow"),
        (signed(struct.pack("<QI", 1, 9)), "missing"),
        (signed(struct.pack("<QII", 1, 1, 1) + b"w" + bytes([0, 99])), "kind 99"),
        (signed(struct.pack("<QII", 1, 1, 1) + b"\xff" + bytes([0, 0])), "UTF-8"),
        (signed(struct.pack("<QII", 1, 1, 1) + b"w" + bytes([0, 5, 1]) + b"O" + bytes([0, 0])), "'O'"),
        (signed(struct.pack("<QI", 1, 2) + (struct.pack("<I", 1) + b"w" + bytes([0, 0])) * 2), "twice"),
        (
            signed(struct.pack("<QII", 1, 1, 1) + b"w" + bytes([0, 5, 3]) + b"<f8" + struct.pack("<BBQ", 0, 1, 2**61)),
            "missing",
        ),
    ],
)
def test_what_is_no_snapshot_is_refused_in_words(row: bytes, words: str) -> None:
    with pytest.raises(SuspectGeneration, match=words):
        Snapshot.of_bytes(row, "it")


def test_a_layout_of_a_later_release_is_refused_by_its_number() -> None:
    with pytest.raises(FormatRefused, match="layout 2, and this release reads the layout 1"):
        Snapshot.of_bytes(signed(b"anything", layout=2), "it")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2**63, "64 bits"),
        (np.array(["a"]), "numbers and booleans"),
        (np.array([object()]), "numbers and booleans"),
        (Numbers({1: 1.0, False: 2.0, "a": 3.0}), "several types"),
    ],
)
def test_what_the_layout_cannot_hold_is_refused_by_its_path(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"a/b .*{words}"):
        Snapshot(0, {"a/b": value}).to_bytes()


def test_arrays_of_the_other_order_of_bytes_are_turned_round() -> None:
    found = Snapshot.of_bytes(Snapshot(0, {"w": np.array([1, 2], ">i4")}).to_bytes(), "it").values["w"]
    assert isinstance(found, np.ndarray)
    assert (found.dtype.str, found.tolist()) == ("<i4", [1, 2])


@given(st.lists(scalars, min_size=1, max_size=5), st.data())
def test_a_list_that_was_cut_or_changed_under_its_checksum_is_read_or_suspect(
    held: list[Any], data: st.DataObject
) -> None:
    body = bytearray(Snapshot(1, {"l": held}).to_bytes()[20:])
    kind = 18  # a list's, in the byte there: changed, it may be that of another value
    place = data.draw(st.integers(kind, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(place, len(body))) :]
    row = struct.pack("<4sHHQI", b"MRPS", 1, 0, len(body), zlib.crc32(body)) + bytes(body)
    with suppress(SuspectGeneration):
        found = Snapshot.of_bytes(row, "it").values["l"]
        assert place == kind or isinstance(found, list)
