"""What only SQLite can do wrong: several processes at one file, files that are none, long scans on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage.address import Address
from storage.errors import FormatRefused, StorageUnavailable, SuspectGeneration, UnknownOutcome
from storage.relational import sqlite_file, sqlite_reads
from storage.relational.reads import RelationalReads
from storage.relational.relational import Relational, opened, opened_reads
from storage.relational.sqlite import Sqlite
from storage.relational.sqlite_reads import SqliteSource
from storage.technologies import opened as by_name
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, storage, unit


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'folder' / 'rows.db'}"


@pytest.fixture
def technology(url: str) -> Iterator[Relational]:
    made = Relational(Sqlite(url))
    yield made
    made.close()


@pytest.fixture
async def reads(url: str) -> AsyncIterator[RelationalReads]:
    made = RelationalReads(SqliteSource(url, timeout=5))
    yield made
    await made.close()


def worker(url: str, partition: int, commits: int = 0) -> subprocess.Popen[str]:
    """A process that commits so many times; 0 = until it is killed."""
    command = [sys.executable, "-m", "tests.storage.sqlite_process", url, str(partition), str(commits)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_lose_and_double_nothing(technology: Relational, url: str) -> None:
    workers = [worker(url, partition, 200) for partition in range(3)]
    for process in workers:
        process.communicate(timeout=100)
        assert process.returncode == 0
    assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "all"): {"x": 600}}
    assert [state.next for state in technology.units(storage(COUNTS))] == [200] * 3


def test_a_process_that_is_killed_leaves_rows_and_position_of_one_moment(technology: Relational, url: str) -> None:
    for _ in range(5):
        process = worker(url, 0)
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.kill()
        process.communicate()
        [state] = technology.units(storage(COUNTS))
        assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "all"): {"x": state.next}}
        assert dict(technology.dump(storage(RECORDS))) == {Address(RECORDS, "0"): str(state.next).encode()}


def test_who_waits_too_long_for_another_writer_is_told_so(url: str, technology: Relational) -> None:
    claim = technology.claim(unit(), "a")
    impatient = Relational(Sqlite(url, timeout=0.1))
    with closing(sqlite3.connect(sqlite_file.path_of(url), isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="written by another process"):
            impatient.commit(claim, None, 1, Writes(), None)
        assert [state.next for state in impatient.units(storage(COUNTS))] == [None], "readers do not wait"
    assert impatient.commit(claim, None, 1, Writes(), None) is Outcome.OK
    impatient.close()


def test_a_commit_that_fails_at_its_end_is_unknown_and_the_identical_one_tells(
    technology: Relational, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = technology.claim(unit(), "a")
    writes = Writes(sums={Address(COUNTS, "k"): {"x": 1}})
    assert technology.commit(claim, None, 1, writes, None) is Outcome.OK
    failures = ["disk I/O error"]

    class Failing(sqlite3.Connection):
        def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
            if text == "COMMIT" and failures:
                raise sqlite3.OperationalError(failures.pop())
            return super().execute(text, *values)

    monkeypatch.setattr(sqlite3, "connect", _with_factory(sqlite3.connect, Failing))
    other = Relational(Sqlite(f"sqlite:///{technology._database._path}"))  # type: ignore[attr-defined]
    with pytest.raises(UnknownOutcome, match="may have committed"):
        other.commit(claim, 1, 2, writes, None)
    assert other.commit(claim, 1, 2, writes, None) is Outcome.OK
    assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "k"): {"x": 2}}
    other.close()


def _with_factory(connect: Callable[..., sqlite3.Connection], factory: type) -> Callable[..., sqlite3.Connection]:
    return lambda *arguments, **options: connect(*arguments, **options, factory=factory)


def test_many_who_open_a_new_file_at_once_all_get_in(url: str) -> None:
    def declare(number: int) -> int:
        with closing(Relational(Sqlite(url, timeout=20))) as made:
            return made.declare(storage(PLACES, generation=number)).generation

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(declare, range(8)))) == 1


@pytest.mark.parametrize(
    "address",
    ["sqlite://", "sqlite:///", "sqlite://host/file", "sqlite:///:memory:", "sqlite:///f?mode=ro", "mysql://x"],
)
def test_an_address_that_names_no_file_is_refused(address: str) -> None:
    for open_it in (opened, opened_reads):
        with pytest.raises(FormatRefused, match="sqlite:///file"):
            open_it(address)


def test_relative_and_absolute_files_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address, path in [("sqlite:///a%20b/c.db", "a b/c.db"), (f"sqlite:///{tmp_path}/d.db", "d.db")]:
        technology = by_name("relational", address)
        assert technology.storages() == []
        technology.close()
        assert (tmp_path / path).is_file()


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path, url: str, technology: Relational) -> None:
    (tmp_path / "text.db").write_text("these are notes, and no database at all " * 100, "utf-8")
    with closing(Relational(Sqlite(f"sqlite:///{tmp_path / 'text.db'}"))) as other:
        with pytest.raises(StorageUnavailable, match="not a database"):
            other.storages()
    (tmp_path / "folder.db").mkdir()
    with closing(Relational(Sqlite(f"sqlite:///{tmp_path / 'folder.db'}"))) as other:
        with pytest.raises(StorageUnavailable, match=r"folder\.db"):
            other.claim(unit(), "a")


def test_a_damaged_file_makes_its_rows_suspect(technology: Relational, url: str) -> None:
    claim = technology.claim(unit(), "a")
    puts = {Address(RECORDS, str(number)): b"x" * 500 for number in range(2_000)}
    technology.commit(claim, None, 1, Writes(puts=puts), None)
    technology.close()
    path = sqlite_file.path_of(url)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged = bytearray(path.read_bytes())
    damaged[100 * 4096 : 200 * 4096] = b"\xa5" * 100 * 4096
    path.write_bytes(damaged)
    with closing(Relational(Sqlite(url))) as other, pytest.raises(SuspectGeneration, match="damaged"):
        list(other.dump(storage(RECORDS)))


async def test_where_there_is_no_file_there_is_nothing_to_read_and_none_is_made(
    reads: RelationalReads, url: str
) -> None:
    assert (await reads.listed()).sorted() == []
    assert await reads.rows(storage(RECORDS), ["k"]) == [None]
    with pytest.raises(StorageUnavailable, match="nobody has written"):
        await reads.lease(["relational/records/seen@1"], 5)
    assert not sqlite_file.path_of(url).exists()


async def test_a_long_scan_leaves_the_event_loop_free(
    reads: RelationalReads, technology: Relational, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = technology.claim(unit(), "a")
    wide = {f"m{number:06}": float(number) for number in range(60_000)}
    technology.commit(claim, None, 1, Writes(ranks={Address(PLACES, "all"): wide}), None)
    aside: list[Callable[..., Any]] = []
    plainly = asyncio.to_thread

    async def to_thread(use: Callable[..., Any], *arguments: Any) -> Any:
        aside.append(use)
        return await plainly(use, *arguments)

    assert (await reads.listed()).sorted() == [], "the file is opened in a thread"
    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    row = Address(PLACES, "all")
    for _ in range(300):
        assert (await reads.top(storage(PLACES), [row], 1))[1] == [[("m059999", 59_999.0)]]
    assert not aside, "a small question needs no thread"
    _, [found] = await reads.top(storage(PLACES), [row], 60_000)
    assert dict(found) == wide
    assert len(aside) == 1
    assert await reads.count(storage(PLACES)) == 60_000
    assert len(aside) == 2


async def test_a_question_that_takes_too_long_is_given_up(technology: Relational, url: str) -> None:
    claim = technology.claim(unit(), "a")
    wide = {f"m{number:06}": float(number) for number in range(60_000)}
    technology.commit(claim, None, 1, Writes(ranks={Address(PLACES, "all"): wide}), None)
    reads = RelationalReads(SqliteSource(url, timeout=0.001))
    with pytest.raises(StorageUnavailable, match="no answer"):
        await reads.top(storage(PLACES), [Address(PLACES, "all")], 60_000)
    assert (await reads.top(storage(PLACES), [Address(PLACES, "all")], 1))[1] == [[("m059999", 59_999.0)]]
    await asyncio.get_running_loop().shutdown_default_executor()
    await reads.close()


async def test_several_event_loops_read_at_once(reads: RelationalReads, technology: Relational) -> None:
    claim = technology.claim(unit(), "a")
    technology.commit(claim, None, 1, Writes(puts={Address(RECORDS, "k"): b"x"}), None)

    async def elsewhere() -> list[bytes | None]:
        try:
            return (await reads.rows(storage(RECORDS), ["k"])) * (await reads.count(storage(RECORDS)) or 0)
        finally:
            await reads.close()

    with ThreadPoolExecutor(2) as pool:
        found = [asyncio.wrap_future(pool.submit(asyncio.run, elsewhere())) for _ in range(6)]
        assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
        assert await asyncio.gather(*found) == [[b"x"]] * 6


async def test_a_file_that_another_process_holds_leaves_the_event_loop_free(technology: Relational, url: str) -> None:
    technology.claim(unit(), "a")
    technology.close()
    reads = RelationalReads(SqliteSource(url, timeout=1.0))
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - began)

    beating = asyncio.create_task(beat())
    with closing(sqlite3.connect(sqlite_file.path_of(url), isolation_level=None)) as raw:
        raw.execute("PRAGMA locking_mode = EXCLUSIVE")
        raw.execute("BEGIN EXCLUSIVE")
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match=r"another process|no answer"):
                await reads.lease(["relational/counters/c@1"], 1)
            with pytest.raises(StorageUnavailable, match=r"another process|no answer"):
                await reads.sums(storage(COUNTS), ["k"])
    assert longest < 0.8, "each of these waits for a second, and not on the loop"
    assert await reads.sums(storage(COUNTS), ["k"]) == [{}]
    beating.cancel()
    await reads.close()


def gone(url: str) -> None:
    """The file is removed, with what belongs to it."""
    path = sqlite_file.path_of(url)
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def test_who_writes_to_a_file_that_is_gone_meets_the_fence_of_the_one_that_took_its_name(
    technology: Relational, url: str
) -> None:
    claim = technology.claim(unit(), "a")
    assert technology.commit(claim, None, 1, Writes(sums={Address(COUNTS, "k"): {"x": 1}}), None) is Outcome.OK
    gone(url)
    other = Relational(Sqlite(url))
    newer = other.claim(unit(), "b")
    other.commit(newer, None, 1, Writes(sums={Address(PLACES, "k"): {"y": 1}, Address(COUNTS, "k"): {"x": 100}}), None)
    again = Writes(sums={Address(COUNTS, "k"): {"x": 1}})
    assert technology.commit(claim, 1, 2, again, None) is Outcome.FENCED
    for one in (technology, other):
        assert dict(one.dump(storage(COUNTS))) == {Address(COUNTS, "k"): {"x": 100}}
    mine = technology.claim(unit(), "c")
    assert technology.commit(mine, 1, 2, again, None) is Outcome.OK
    assert dict(other.dump(storage(COUNTS))) == {Address(COUNTS, "k"): {"x": 101}}, "tables have other numbers there"
    other.close()


def test_a_commit_into_a_file_that_goes_meanwhile_is_not_acknowledged(
    technology: Relational, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = technology.claim(unit(), "a")

    class Losing(sqlite3.Connection):
        def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
            if text == "COMMIT":
                gone(url)
            return super().execute(text, *values)

    monkeypatch.setattr(sqlite3, "connect", _with_factory(sqlite3.connect, Losing))
    other = Relational(Sqlite(url))
    with pytest.raises(UnknownOutcome, match="removed, or replaced"):
        other.commit(claim, None, 1, Writes(sums={Address(COUNTS, "k"): {"x": 1}}), None)
    monkeypatch.undo()
    assert other.commit(claim, None, 1, Writes(), None) is not Outcome.OK
    other.close()


async def test_readers_follow_a_file_that_takes_the_name_of_theirs(
    technology: Relational, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_reads, "LOOK", 0.0)
    reads = RelationalReads(SqliteSource(url, timeout=5))
    claim = technology.claim(unit(), "a")
    technology.commit(claim, None, 1, Writes(sums={Address(COUNTS, "k"): {"x": 1}}), None)
    assert await reads.sums(storage(COUNTS), ["k"]) == [{"x": 1}]
    assert await reads.count(storage(COUNTS)) == 1
    gone(url)
    assert await reads.sums(storage(COUNTS), ["k"]) == [{}]
    other = Relational(Sqlite(url))
    newer = other.claim(unit(), "b")
    other.commit(newer, None, 1, Writes(sums={Address("counters/a", "k"): {"y": 1}}), None)
    other.commit(newer, 1, 2, Writes(sums={Address(COUNTS, "k"): {"x": 100}}), None)
    assert await reads.sums(storage(COUNTS), ["k"]) == [{"x": 100}], "whose table has another number"
    await reads.lease(["relational/counters/c@1"], 1)
    assert other.leases() == {"relational/counters/c@1": 1}
    await reads.close()
    other.close()
