"""A load writes each row once: what comes twice is refused, wherever it is and whatever else its piece has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import Memory, Ranking
from storage.errors import FileRefused
from storage.loads.descriptor import Given
from storage.loads.load import load
from tests.storage.form_stage import START
from tests.storage.load_stage import KINDS, written

FORMATS = ("ranking", "decaying", "counters", "vectors", "records")
HOUR = timedelta(hours=1)
Pairs = Sequence[tuple[str, str]]


def columns(format: str, pairs: Pairs) -> Mapping[str, Sequence[Any]]:
    """A file in which what tells rows apart are these pairs, or their first parts."""
    keys, others = [key for key, _ in pairs], [other for _, other in pairs]
    numbers = list(range(len(pairs)))
    match format:
        case "counters":
            return {"key": keys, "field": others, "value": numbers}
        case "vectors":
            return {"key": keys, "vector": [[1.0, number] for number in numbers]}
        case "records":
            return {"key": keys, "n": numbers}
        case "decaying":
            at = [START.isoformat()] * len(pairs)
            return {"key": keys, "member": others, "score": numbers, "at": at}
    return {"key": keys, "member": others, "score": numbers}


def loaded(path: Path, format: str) -> int:
    """How many rows are there."""
    memory = Memory()
    if format == "decaying":
        memory.declare(Ranking("it", half_life=HOUR, technology="memory").describe("watching", 1, 1, "clicks"))
    done = load(memory, "ranking" if format == "decaying" else format, "it", path, Given(), "ada")
    rows = dict(memory.dump(done.descriptor)).values()
    there = sum(1 if isinstance(row, bytes) else len(row) for row in rows)
    assert there == done.rows
    return there


@settings(max_examples=60)
@given(
    st.sampled_from(FORMATS),
    st.sampled_from(["csv", "ndjson"]),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=9),
)
def test_a_file_is_loaded_to_its_last_row_or_what_comes_twice_is_named(format: str, kind: str, pairs: Pairs) -> None:
    told = [pair if format in ("ranking", "decaying", "counters") else pair[0] for pair in pairs]
    with TemporaryDirectory() as folder:
        path = written(Path(folder), kind, columns(format, pairs))
        if len(set(told)) == len(told):
            assert loaded(path, format) == len(told)
            return
        again = next(row for row in range(len(told)) if told[row] in told[:row])
        first, header = told.index(told[again]), int(kind == "csv")
        places = f"line {again + 1 + header}: found .* again, after line {first + 1 + header};"
        with pytest.raises(FileRefused, match=places):
            loaded(path, format)


@pytest.mark.parametrize("kind", KINDS)
def test_repeats_are_found_whatever_a_row_costs_to_write(tmp_path: Path, kind: str) -> None:
    pairs = [("ann", "clicks"), ("ann", "clicks"), ("bob", "clicks"), ("bob", "clicks")]
    with pytest.raises(FileRefused, match="found key 'ann' and field 'clicks' again"):
        loaded(written(tmp_path, kind, columns("counters", pairs)), "counters")


def test_a_row_that_comes_thousands_of_times_is_found_in_a_moment(tmp_path: Path) -> None:
    file = written(tmp_path, "parquet", columns("ranking", [("a", "x")] * 30_000))
    before = time.monotonic()
    with pytest.raises(FileRefused, match=r"row 2: found .* again, after row 1;"):
        loaded(file, "ranking")
    assert time.monotonic() - before < 10
