"""A batch knows which stretch of the log it covers, however it is cut."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as some

from streams import Batch


@some.composite
def batches(draw: some.DrawFn) -> Batch:
    """Batches with gaps where events were bad, or are gone."""
    first, length = draw(some.integers(0, 1 << 40)), draw(some.integers(0, 30))
    offsets = np.array(sorted(draw(some.sets(some.integers(first, first + length)))), np.int64)
    return Batch("clicks", 2, first, first + length + 1, pl.DataFrame({"offset": offsets}), offsets)


@given(batches(), some.integers(1, 12))
def test_pieces_tile_the_range_and_keep_every_event_once(batch: Batch, rows: int) -> None:
    pieces = list(batch.split(rows))
    assert [piece.first for piece in pieces] == [batch.first, *(piece.next for piece in pieces[:-1])]
    assert pieces[-1].next == batch.next
    assert [offset for piece in pieces for offset in piece.offsets] == list(batch.offsets)
    assert all(piece.rows <= rows for piece in pieces)


@given(batches(), some.integers(-3, 40))
def test_since_keeps_what_is_at_or_after_a_position(batch: Batch, ahead: int) -> None:
    position = batch.first + ahead
    rest = batch.since(position)
    assert list(rest.offsets) == [offset for offset in batch.offsets if offset >= position]
    assert rest.frame["offset"].to_list() == list(rest.offsets)
    assert rest.first == min(max(position, batch.first), batch.next)
    assert rest.next == batch.next


def test_a_range_without_events_is_one_empty_piece() -> None:
    batch = Batch("clicks", 0, 5, 9, pl.DataFrame({"user": []}), np.array([], np.int64))
    assert [(piece.first, piece.next, piece.rows) for piece in batch.split(10)] == [(5, 9, 0)]


def test_an_empty_range_has_no_pieces() -> None:
    assert list(Batch.of(pl.DataFrame({"user": []}, schema={"user": pl.String})).split(10)) == []


def test_a_frame_becomes_a_batch_from_the_first_offset_on() -> None:
    batch = Batch.of(pl.DataFrame({"user": ["a", "b"]}), first=7)
    assert (batch.topic, batch.partition, batch.first, batch.next, batch.rows) == ("notebook", 0, 7, 9, 2)
    assert list(batch.offsets) == [7, 8]


def test_offsets_must_fit_rows_and_range() -> None:
    frame = pl.DataFrame({"user": ["a", "b"]})
    with pytest.raises(ValueError, match="one offset per row; here 1 for 2 rows"):
        Batch("clicks", 0, 0, 2, frame, np.array([0], np.int64))
    with pytest.raises(ValueError, match=r"outside their batch \[0, 2\)"):
        Batch("clicks", 0, 0, 2, frame, np.array([1, 2], np.int64))
    with pytest.raises(ValueError, match="at least one event"):
        next(Batch.of(frame).split(0))


def test_the_part_before_a_position_ends_there_whatever_the_log_holds() -> None:
    frame = pl.DataFrame({"n": [1, 2, 3]})
    batch = Batch("t", 0, 10, 20, frame, np.array([11, 14, 18]))
    assert batch.until(25) is batch
    early = batch.until(14)
    assert (early.first, early.next, early.frame["n"].to_list(), early.offsets.tolist()) == (10, 14, [1], [11])
    rest = batch.since(early.next)
    assert (rest.first, rest.frame["n"].to_list()) == (14, [2, 3])
    nothing = batch.until(3)
    assert (nothing.first, nothing.next, nothing.rows) == (10, 10, 0)
