"""In which order an archive's files are read, so that each partition's events come as the log had them. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

import numpy as np

Span = tuple[int, int]
"""Offsets of a partition, the second excluded."""


class Portion(NamedTuple):
    """What a file has of one partition: how many rows, and the first and the last of their offsets."""

    file: str
    partition: int
    first: int
    last: int
    rows: int


class Reading(NamedTuple):
    """What is read at once.

    Attributes:
        spans: by partition what is wanted of these files.
        whole: that is all that they have.
    """

    files: tuple[str, ...]
    spans: Mapping[int, Span]
    whole: bool
    rows: int


def readings(portions: Sequence[Portion], at_once: int) -> Iterator[Reading]:
    """One after the other they give every row once, those of a partition in the order of their offsets.

    Files whose offsets overlap are read together. A reading has about `at_once` rows: few more, as small files are
    joined until they are as many, and what is larger is read by spans of its offsets.
    """
    by_file: dict[str, list[Portion]] = {}
    for portion in portions:
        by_file.setdefault(portion.file, []).append(portion)
    waiting: list[Portion] = []
    for files in _apart([by_file[file] for file in _in_order(portions)]):
        group = [portion for file in files for portion in file]
        if waiting and _rows(waiting) + _rows(group) > at_once:
            yield _reading(waiting)
            waiting = []
        if _rows(group) > at_once:
            yield from _by_spans(group, at_once)
        else:
            waiting += group
    if waiting:
        yield _reading(waiting)


def _in_order(portions: Sequence[Portion]) -> list[str]:
    """The files, each after those that have earlier offsets of a partition; where that goes round, as it comes."""
    by_partition: dict[int, list[Portion]] = {}
    for portion in sorted(portions, key=lambda item: (item.first, item.file)):
        by_partition.setdefault(portion.partition, []).append(portion)
    sorter: TopologicalSorter[str] = TopologicalSorter({portion.file: () for portion in portions})
    for mine in by_partition.values():
        for earlier, later in pairwise(mine):
            sorter.add(later.file, earlier.file)
    try:
        return list(sorter.static_order())
    except CycleError:
        return list(dict.fromkeys(portion.file for portion in sorted(portions, key=lambda item: item.first)))


def _apart(files: Sequence[Sequence[Portion]]) -> Iterator[Sequence[Sequence[Portion]]]:
    """The files in groups: all offsets in one are before those in the next, in every partition."""
    places = {partition: place for place, partition in enumerate({item.partition for file in files for item in file})}
    first = np.full((len(files), len(places)), np.iinfo(np.int64).max)
    last = np.full((len(files), len(places)), np.iinfo(np.int64).min)
    for number, file in enumerate(files):
        for portion in file:
            first[number, places[portion.partition]] = portion.first
            last[number, places[portion.partition]] = portion.last
    until_here = np.maximum.accumulate(last)[:-1]
    from_here = np.minimum.accumulate(first[::-1])[::-1][1:]
    cuts = (np.flatnonzero((until_here < from_here).all(axis=1)) + 1).tolist()
    for start, stop in pairwise([0, *cuts, len(files)]):
        if start < stop:
            yield files[start:stop]


def _by_spans(group: Sequence[Portion], at_once: int) -> Iterator[Reading]:
    """The offsets of each partition in as many equal spans; a span of all of them is one reading."""
    count = -(-_rows(group) // at_once)
    whole = _spans(group)
    for number in range(count):
        spans = {
            partition: (
                first + (after - first) * number // count,
                first + (after - first) * (number + 1) // count,
            )
            for partition, (first, after) in whole.items()
        }
        mine = [
            item for item in group if item.first < spans[item.partition][1] and item.last >= spans[item.partition][0]
        ]
        if mine:
            yield Reading(_files(mine), spans, False, _rows(group) // count)


def _reading(group: Sequence[Portion]) -> Reading:
    return Reading(_files(group), _spans(group), True, _rows(group))


def _files(group: Sequence[Portion]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(portion.file for portion in group))


def _spans(group: Sequence[Portion]) -> dict[int, Span]:
    found: dict[int, Span] = {}
    for portion in group:
        first, after = found.get(portion.partition, (portion.first, portion.last + 1))
        found[portion.partition] = min(first, portion.first), max(after, portion.last + 1)
    return found


def _rows(group: Sequence[Portion]) -> int:
    return sum(portion.rows for portion in group)
