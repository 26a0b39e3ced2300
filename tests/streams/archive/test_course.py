"""Which files are read together, and in which order: whatever they hold, each partition comes as the log had it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.archive.course import Portion, readings

Rows = dict[str, list[tuple[int, int]]]
"""File -> partition and offset of its rows."""


@st.composite
def archives(draw: st.DrawFn) -> Rows:
    """Offsets with holes, in files that were written one after the other, or in any way."""
    files: Rows = {}
    for partition in range(draw(st.integers(1, 3))):
        offsets = draw(st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=30))
        mixed = draw(st.booleans())
        for place, offset in enumerate(sorted(offsets)):
            name = draw(st.integers(0, 5)) if mixed else place // 4
            files.setdefault(f"f{name}", []).append((partition, offset))
    return files


def portions_of(files: Rows) -> list[Portion]:
    found = []
    for file, rows in files.items():
        for partition in {partition for partition, _ in rows}:
            offsets = [offset for at, offset in rows if at == partition]
            found.append(Portion(file, partition, min(offsets), max(offsets), len(offsets)))
    return found


@given(archives(), st.integers(1, 40))
def test_each_row_is_read_once_and_those_of_a_partition_in_order(files: Rows, at_once: int) -> None:
    read: list[tuple[int, int]] = []
    for reading in readings(portions_of(files), at_once):
        mine = [row for file in reading.files for row in files[file]]
        if not reading.whole:
            mine = [(at, offset) for at, offset in mine if reading.spans[at][0] <= offset < reading.spans[at][1]]
        read += sorted(mine)

    assert sorted(read) == sorted(row for rows in files.values() for row in rows)
    for partition in {partition for partition, _ in read}:
        offsets = [offset for at, offset in read if at == partition]
        assert offsets == sorted(offsets)


def sizes(portions: Sequence[Portion], at_once: int) -> list[tuple[int, int]]:
    return [(len(reading.files), reading.rows) for reading in readings(portions, at_once)]


def test_small_files_are_joined_and_a_large_one_is_read_in_spans() -> None:
    small = [Portion(f"s{at}", 0, at * 10, at * 10 + 9, 10) for at in range(5)]
    large = Portion("large", 0, 50, 149, 100)

    assert sizes([large, *small], 30) == [(3, 30), (2, 20), (1, 25), (1, 25), (1, 25), (1, 25)]


def test_files_of_writers_that_share_the_partitions_need_not_be_read_together() -> None:
    one = [Portion(f"one{at}", 0, at * 10, at * 10 + 9, 10) for at in range(3)]
    two = [Portion(f"two{at}", 1, at * 7, at * 7 + 6, 7) for at in range(3)]

    assert all(files == 1 for files, _ in sizes([*two, *one], 1_0))
