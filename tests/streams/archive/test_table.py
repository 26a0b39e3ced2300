"""An archive's table alone: rows and positions are one commit, whoever else writes."""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from streams.archive import ArchiveTable, Shelf
from streams.archive.columns import rows
from streams.archive.upkeep import Upkeep
from streams.errors import ArchiveFenced, ArchiveRefused, ArchiveUnavailable

COLUMNS = {"user": pl.String(), "number": pl.Int32()}
DAY_MS = 86_400_000


def some(first: int, after: int, partition: int = 0, day: int = 20_000, **more: pl.Series) -> pl.DataFrame:
    """Rows of the events at these offsets, on one day."""
    offsets = np.arange(first, after, dtype=np.int64)
    frame = pl.DataFrame({"user": [f"u{at}" for at in offsets], "number": offsets.astype(np.int32), **more})
    return rows(frame, partition, offsets, np.full(len(offsets), day * DAY_MS, np.int64))


def rows_in(table: ArchiveTable) -> pl.DataFrame:
    assert table.look()
    return table.frame().sort("_partition", "_offset").collect()


def offsets_in(table: ArchiveTable) -> list[int]:
    return sorted(rows_in(table)["_offset"].to_list())


@pytest.fixture
def table(each_shelf: Shelf) -> ArchiveTable:
    table = each_shelf.table("clicks")
    table.create(COLUMNS)
    return table


def test_rows_and_the_position_behind_them_are_there_together(table: ArchiveTable, each_shelf: Shelf) -> None:
    assert table.position(0) is None

    table.append(some(0, 10), {0: (None, 10)})
    table.append(some(10, 12), {0: (10, 12), 1: (None, 7)})

    other = each_shelf.table("clicks")
    assert offsets_in(other) == list(range(12))
    assert (other.position(0), other.position(1), other.position(2)) == (12, 7, None)


def test_of_two_that_believe_to_own_a_partition_one_archives_it(table: ArchiveTable, each_shelf: Shelf) -> None:
    zombie = each_shelf.table("clicks")
    zombie.look()
    table.append(some(0, 10), {0: (None, 10)})

    with pytest.raises(ArchiveFenced):
        zombie.append(some(0, 8), {0: (None, 8)})

    assert offsets_in(table) == list(range(10))
    assert table.position(0) == 10


def test_two_that_own_different_partitions_do_not_hinder_each_other(table: ArchiveTable, each_shelf: Shelf) -> None:
    other = each_shelf.table("clicks")
    other.look()
    table.append(some(0, 10), {0: (None, 10)})
    other.append(some(0, 5, partition=1), {1: (None, 5)})
    table.append(some(10, 20), {0: (10, 20)})

    assert offsets_in(table) == sorted([*range(20), *range(5)])


def test_the_same_commit_again_adds_nothing(table: ArchiveTable, each_shelf: Shelf) -> None:
    table.append(some(0, 10), {0: (None, 10)})
    late = each_shelf.table("clicks")

    table.append(some(0, 10), {0: (None, 10)})
    late.append(some(0, 10), {0: (None, 10)})

    assert offsets_in(table) == list(range(10))


def test_a_new_field_is_a_new_column_also_beside_one_who_does_not_know_it(
    table: ArchiveTable, each_shelf: Shelf
) -> None:
    old = each_shelf.table("clicks")
    old.look()
    table.append(some(0, 2, stars=pl.Series([1.5, 2.5], dtype=pl.Float32)), {0: (None, 2)})
    old.append(some(0, 2, partition=1), {1: (None, 2)})

    assert rows_in(table)["stars"].to_list() == [1.5, 2.5, None, None]


def test_a_wider_number_fits_and_another_type_is_refused_before_it_is_bent(table: ArchiveTable) -> None:
    table.append(some(0, 1), {0: (None, 1)})
    wide = some(1, 2).with_columns(number=pl.lit(2**40, pl.Int64))
    table.append(wide, {0: (1, 2)})

    with pytest.raises(ArchiveRefused, match=r"clicks\.number is Float64 now and Int64 in the archive"):
        table.append(some(2, 3).with_columns(number=pl.lit(1.5)), {0: (2, 3)})

    assert rows_in(table)["number"].to_list() == [0, 2**40]


def test_a_new_field_that_differs_from_a_column_in_its_case_alone_is_refused(table: ArchiveTable) -> None:
    with pytest.raises(
        ArchiveRefused, match=r"clicks\.User differs from the archive's column 'user' in its case alone"
    ):
        table.append(some(0, 1, User=pl.Series(["u"])), {0: (None, 1)})


def test_whatever_keeps_the_writer_from_writing_is_told_as_the_archives(table: ArchiveTable) -> None:
    twins = pl.Series([{"a": 1, "A": 2}])
    with pytest.raises(ArchiveUnavailable, match="clicks"):
        table.append(some(0, 1, seen=twins), {0: (None, 1)})


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"_offset": pl.Int64()}, "_offset"),
        ({"_Offset": pl.Int64()}, "_Offset"),
        ({"User": pl.String(), "user": pl.String()}, "'User' and 'user'"),
        ({"seen": pl.List(pl.Struct({"At": pl.Int64(), "at": pl.Int64()}))}, "'At' and 'at'"),
        ({"seen": pl.Struct({})}, "'seen', a record without fields"),
    ],
)
def test_events_that_an_archive_cannot_hold_are_refused(
    each_shelf: Shelf, columns: dict[str, pl.DataType], why: str
) -> None:
    with pytest.raises(ArchiveRefused, match=why):
        each_shelf.table("odd").create(columns)


def test_tidying_leaves_rows_and_positions_and_removes_what_is_too_old(table: ArchiveTable) -> None:
    today = (dt.datetime.now(dt.UTC).date() - dt.date(1970, 1, 1)).days
    table.append(some(0, 3, day=today - 40), {0: (None, 3)})
    for at in range(3, 9):
        table.append(some(at, at + 1, day=today), {0: (at, at + 1)})

    Upkeep().done(table)
    assert offsets_in(table) == list(range(9))
    assert table.size()["files"] == 2

    Upkeep(keep_days=30).done(table)
    assert offsets_in(table) == list(range(3, 9))
    assert table.position(0) == 9
    table.append(some(9, 10, day=today), {0: (9, 10)})
    assert offsets_in(table) == list(range(3, 10))


def test_files_of_writers_that_died_before_their_commit_are_removed_a_day_later(tmp_path: Path) -> None:
    table = Shelf(str(tmp_path)).table("clicks")
    table.create(COLUMNS)
    table.append(some(0, 3), {0: (None, 3)})
    old, new = (next(Path(table.place).glob("_date=*")) / f"{name}.parquet" for name in ("old", "new"))
    for file, hours in ((old, 25), (new, 23)):
        some(0, 3).write_parquet(file)
        moment = time.time() - 3_600 * hours
        os.utime(file, (moment, moment))

    Upkeep().done(table)

    assert (old.exists(), new.exists()) == (False, True)
    assert offsets_in(table) == [0, 1, 2]


@pytest.mark.parametrize("moment", [-(2**62), -99_999_999_999_999, -1, 1_764_000_000_000_000, 2**62])
def test_a_time_that_no_log_can_have_taken_an_event_at_stops_no_archive(tmp_path: Path, moment: int) -> None:
    table = Shelf(str(tmp_path)).table("clicks")
    table.create(COLUMNS)
    frame = pl.DataFrame({"user": ["u"], "number": [1]})
    table.append(rows(frame, 0, np.array([0]), np.array([moment])), {0: (None, 1)})
    Upkeep().done(table)

    found = rows_in(table)
    assert found["_offset"].to_list() == [0]
    assert 1 <= found["_timestamp"].item().year <= 9_999
    assert table.size()["first_day"] == found["_date"].item()


def test_a_writer_goes_on_while_files_are_joined(table: ArchiveTable, each_shelf: Shelf) -> None:
    writer = each_shelf.table("clicks")
    for at in range(4):
        writer.look()
        writer.append(some(at, at + 1), {0: (at or None, at + 1)})
    Upkeep().done(table)

    writer.append(some(4, 5), {0: (4, 5)})

    assert offsets_in(table) == list(range(5))


def test_a_disk_that_takes_nothing_is_told_and_the_same_commit_gets_through_later(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is to be")
    table = Shelf(str(tmp_path / "taken")).table("clicks")
    with pytest.raises(ArchiveUnavailable, match="clicks"):
        table.create(COLUMNS)

    (tmp_path / "taken").unlink()
    table.create(COLUMNS)
    table.append(some(0, 2), {0: (None, 2)})
    assert offsets_in(table) == [0, 1]


def test_an_object_store_that_answers_no_more_is_told_soon_and_in_one_line_without_its_keys() -> None:
    came = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    came.append(connection.recv(1 << 16))
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        keys = {"AWS_ACCESS_KEY_ID": "known-to-us", "AWS_SECRET_ACCESS_KEY": "known-to-us"}
        options = {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", **keys}
        shelf = Shelf("s3://bucket/archive", options)
        with pytest.raises(ArchiveUnavailable, match=f"clicks.* does not answer: [^\x1b\n]*{url}") as raised:
            shelf.table("clicks").look()

    assert 1 <= len(came) <= 4
    assert "known-to-us" not in f"{raised.value} {raised.value.__cause__} {shelf}"


def test_what_the_log_has_lost_is_skipped_when_told_to(table: ArchiveTable) -> None:
    with pytest.raises(ArchiveRefused, match="has nothing yet: nothing to skip"):
        table.skip(0, 25)
    table.append(some(0, 10), {0: (None, 10)})

    assert table.skip(0, 25) == 15
    assert table.position(0) == 25
    assert offsets_in(table) == list(range(10))
    with pytest.raises(ArchiveRefused, match="nothing to skip"):
        table.skip(0, 25)
