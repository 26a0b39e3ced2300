"""The snapshots of a source alone: each is one commit, in order, whoever else adds one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from streams.archive import Shelf, Snapshots, Upkeep
from streams.errors import ArchiveFenced, ArchiveRefused

COLUMNS = {"item": pl.String(), "price": pl.Float64()}


def frames(rows: int, at_once: int = 5_000) -> Iterator[pl.DataFrame]:
    for first in range(0, rows, at_once):
        numbers = range(first, min(first + at_once, rows))
        yield pl.DataFrame({"item": [f"i{number}" for number in numbers], "price": [float(n) for n in numbers]})


@pytest.fixture(params=["disk", "s3"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Each of what archives may be on."""
    return Shelf(str(tmp_path)) if request.param == "disk" else request.getfixturevalue("on_s3")


def snapshots(shelf: Shelf) -> Snapshots:
    found = Snapshots(shelf.source("prices"), "prices")
    found.look()
    return found


def test_a_snapshot_is_there_whole_and_in_order_with_what_was_noted(shelf: Shelf) -> None:
    mine = snapshots(shelf)
    assert mine.newest is None
    first = mine.next_moment()
    mine.append(frames(200_000), COLUMNS, first, {"etag": '"1"'})
    second = mine.next_moment()
    mine.append(frames(3), COLUMNS, second, {"etag": '"2"'})
    mine.mark_emitted("changes", first)

    assert (shelf.sources(), shelf.topics(), Shelf(f"{shelf.url}/x", shelf.options).topics()) == (["prices"], [], [])
    other = snapshots(shelf)
    assert [(item.at, item.rows) for item in other.all] == [(first, 200_000), (second, 3)]
    assert (other.note["etag"], other.columns, second > first) == ('"2"', COLUMNS, True)
    assert (other.emitted("changes"), other.emitted("others")) == (first, None)
    assert pl.concat(other.rows(first))["item"].to_list() == [f"i{number}" for number in range(200_000)]


def test_of_two_at_the_same_time_one_adds_a_snapshot(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path))
    snapshots(shelf).append(frames(1), COLUMNS, snapshots(shelf).next_moment(), {})
    mine, other = snapshots(shelf), snapshots(shelf)
    mine.append(frames(2), COLUMNS, mine.next_moment(), {})
    with pytest.raises(ArchiveFenced, match="Somebody else has added to the source prices meanwhile"):
        other.append(frames(3), COLUMNS, other.next_moment(), {})
    assert [item.rows for item in snapshots(shelf).all] == [1, 2]


def test_of_two_at_the_very_same_moment_one_adds_a_snapshot(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path))
    snapshots(shelf).append(frames(1), COLUMNS, snapshots(shelf).next_moment(), {})
    mine, other = snapshots(shelf), snapshots(shelf)
    at = mine.next_moment()
    mine.append(frames(2), COLUMNS, at, {})
    with pytest.raises(ArchiveFenced):
        other.append(frames(3), COLUMNS, at, {})
    assert [item.rows for item in snapshots(shelf).all] == [1, 2]


def test_who_is_erased_is_in_no_snapshot_and_the_other_rows_keep_their_numbers(shelf: Shelf) -> None:
    mine = snapshots(shelf)
    first = mine.next_moment()
    mine.append(frames(50_000), COLUMNS, first, {})
    assert mine.erase("i7") == 0
    mine.declare("item", None, None)
    second = mine.next_moment()
    mine.append(frames(10), COLUMNS, second, {})
    mine.mark_emitted("changes", second)

    assert (mine.erase("i7"), mine.erase("i49999"), mine.erase("i7")) == (2, 1, 0)

    other = snapshots(shelf)
    assert [(item.at, item.rows) for item in other.all] == [(first, 49_998), (second, 9)]
    assert pl.concat(other.rows(first))["_row"].to_list() == [n for n in range(49_999) if n != 7]
    assert (other.subject, other.emitted("changes")) == ("item", second)
    other.append(frames(8), COLUMNS, other.next_moment(), {})
    assert [item.rows for item in snapshots(shelf).all] == [49_998, 9, 8]


def test_snapshots_go_that_are_not_valid_for_longer_than_they_are_kept(shelf: Shelf) -> None:
    mine, hour, now = snapshots(shelf), timedelta(hours=1), snapshots(shelf).next_moment()
    ats = [now - hour * hours for hours in (50, 40, 30, 2, 1)]
    for rows, at in enumerate(ats, 1):
        mine.append(frames(rows), COLUMNS, at, {})
    mine.declare(None, timedelta(hours=35), "changes")
    mine.mark_emitted("changes", ats[0])
    assert Upkeep(keep_days=1).done_with(snapshots(shelf)) == 0
    mine.mark_emitted("changes", ats[4])

    assert Upkeep(keep_days=1).done_with(snapshots(shelf)) == 1

    other = snapshots(shelf)
    assert [(item.at, item.rows) for item in other.all] == list(zip(ats, range(1, 6), strict=True))[1:]
    other.declare(None, None, None)
    assert Upkeep().done_with(snapshots(shelf)) == 0
    assert Upkeep(keep_days=1).done_with(snapshots(shelf)) == 1
    assert [item.at for item in snapshots(shelf).all] == ats[2:]


def test_rows_that_are_gone_are_told(tmp_path: Path) -> None:
    mine = snapshots(Shelf(str(tmp_path)))
    at = mine.next_moment()
    mine.append(frames(10), COLUMNS, at, {})
    assert mine.table.snapshot is not None
    mine.table.snapshot.delete("_row = 4")
    mine.look()
    with pytest.raises(ArchiveRefused, match="lacks row 4"):
        list(mine.rows(at))


def test_joined_files_hold_the_same_snapshots(tmp_path: Path) -> None:
    mine = snapshots(Shelf(str(tmp_path)))
    moments = []
    for rows in (7, 30_000, 5):
        moments.append(mine.next_moment())
        mine.append(frames(rows), COLUMNS, moments[-1], {})
    assert mine.table.snapshot is not None
    mine.table.snapshot.optimize.compact()

    other = snapshots(Shelf(str(tmp_path)))
    assert [(item.at, item.rows) for item in other.all] == list(zip(moments, (7, 30_000, 5), strict=True))
    assert [sum(frame.height for frame in other.rows(at)) for at in moments] == [7, 30_000, 5]
    other.append(frames(2), COLUMNS, other.next_moment(), {})
    assert [item.rows for item in other.all] == [7, 30_000, 5, 2]
