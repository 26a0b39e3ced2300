"""What is special about Cassandra: rows that follow their unit, replies that are lost, and who is late."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from cassandra import OperationTimedOut
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError

from storage.address import Address
from storage.cassandra import session
from storage.cassandra.address import CassandraAddress
from storage.cassandra.cassandra import Cassandra
from storage.cassandra.cells import Cell, put_cells, sum_cells
from storage.cassandra.fences import Fences, Move
from storage.cassandra.places import Places
from storage.cassandra.reads import CassandraReads
from storage.cassandra.served import Served
from storage.cassandra.session import CassandraSession, asking, telling
from storage.errors import StorageError, StorageUnavailable, SuspectGeneration, UnknownOutcome, WriteRefused
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, RECORDS, TREND, storage, unit

KEY = Address(RECORDS, "k")
UNIT = "clicks/0"


@pytest.mark.parametrize("kind", [ServerError, OverloadedErrorMessage, IsBootstrappingErrorMessage])
def test_what_a_server_says_that_the_driver_has_no_exception_for_is_no_fault_of_a_learner(kind: type[Any]) -> None:
    """A node that stops, as on a full disk, says that it is overloaded."""
    address, said = CassandraAddress.of("cassandra://localhost/x"), kind(1, "Server is shutting down", {})
    with pytest.raises(StorageUnavailable, match="shutting down"), asking(address):
        raise said
    with pytest.raises(UnknownOutcome, match="shutting down"), telling(address):
        raise said


@pytest.fixture
def cassandra(cassandra_clean: str) -> Iterator[Cassandra]:
    """An empty Cassandra."""
    with closing(Cassandra(cassandra_clean, timeout=20)) as found:
        yield found


@pytest.fixture
def served(cassandra_tables: CassandraSession) -> Served:
    """The served rows, as somebody who is late writes them."""
    return Served(cassandra_tables, Places(cassandra_tables))


def adding(amount: int, value: str = "") -> Writes:
    """Something that shows whether it is applied once."""
    return Writes(puts={KEY: value.encode()}, sums={Address(COUNTS, "all"): {"x": amount}})


def shown(cassandra: Cassandra) -> tuple[Any, Any]:
    """The record and the sum that readers see."""
    records = dict(cassandra.dump(storage(RECORDS))).get(KEY)
    sums: Any = dict(cassandra.dump(storage(COUNTS))).get(Address(COUNTS, "all"), {})
    return records, sums.get("x")


def late(served: Served, position: int, cells: list[Cell]) -> None:
    """A write that comes now, of whoever had the unit when it stood there."""
    served.write(served.ready(UNIT, position + 1, served.parts(unit(), cells)))


@contextmanager
def cut(monkeypatch: pytest.MonkeyPatch, batches: int) -> Iterator[None]:
    """A worker that dies when it has moved its unit and written so many batches of rows."""
    send, sent = CassandraSession.send_encoded, 0

    def dies(self: CassandraSession, *arguments: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent > batches:
            raise OperationTimedOut
        return send(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(CassandraSession, "send_encoded", dies)
        yield


def test_served_rows_of_a_late_zombie_lose_against_newer_ones(cassandra: Cassandra, served: Served) -> None:
    claim = cassandra.claim(unit(), "a")
    cassandra.commit(claim, None, 5, adding(5, "at 5"), None)
    cassandra.commit(claim, 5, 9, adding(4, "at 9"), None)
    late(served, 7, [*put_cells({KEY: b"at 7"}), *sum_cells({Address(COUNTS, "all"): {"x": 7}})])
    assert shown(cassandra) == (b"at 9", 9)


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_commit_cut_before_its_rows_are_there_is_served_by_who_claims_next(
    cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    cassandra.declare(storage(RECORDS))
    claim = cassandra.claim(unit(), "a")
    cassandra.commit(claim, None, 5, adding(5, "at 5"), 500)
    with cut(monkeypatch, batches), pytest.raises(UnknownOutcome):
        cassandra.commit(claim, 5, 9, adding(4, "at 9"), 900)
    assert [(item.next, item.watermark_ms) for item in cassandra.units(storage(RECORDS))] == [(5, 500)], (
        "readers are not told of what they may not be able to read"
    )
    again = cassandra.claim(unit(), "b")
    assert again.next == 9
    assert shown(cassandra) == (b"at 9", 9)
    assert [(item.next, item.watermark_ms) for item in cassandra.units(storage(RECORDS))] == [(9, 900)]
    assert cassandra.read(again, 9, [KEY]) == [b"at 9"]
    assert cassandra.commit(again, 9, 10, adding(1, "at 10"), None) is Outcome.OK
    assert shown(cassandra) == (b"at 10", 10)


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_commit_that_is_sent_again_writes_the_rows_that_may_not_be_there(
    cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    claim = cassandra.claim(unit(), "a")
    cassandra.commit(claim, None, 5, adding(5, "at 5"), None)
    with cut(monkeypatch, batches), pytest.raises(UnknownOutcome):
        cassandra.commit(claim, 5, 9, adding(4, "at 9"), None)
    assert cassandra.commit(claim, 5, 9, adding(4, "at 9"), None) is Outcome.ALREADY
    assert shown(cassandra) == (b"at 9", 9)


@pytest.mark.parametrize("reads", [False, True])
def test_nothing_comes_after_a_commit_before_its_rows_are_there(
    cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    claim = cassandra.claim(unit(), "a")
    cassandra.commit(claim, None, 5, adding(5, "at 5"), None)
    with cut(monkeypatch, 0), pytest.raises(UnknownOutcome):
        cassandra.commit(claim, 5, 9, adding(4, "at 9"), None)
    if reads:
        assert cassandra.read(claim, 9, [KEY]) == [b"at 9"]
    else:
        assert cassandra.commit(claim, 9, 10, Writes(), None) is Outcome.OK
    assert shown(cassandra) == (b"at 9", 9)


def test_redos_do_not_pile_up(
    cassandra: Cassandra, cassandra_tables: CassandraSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> list[tuple[Any, ...]]:
        return cassandra_tables.read("SELECT owner, next FROM @redos")

    claim = cassandra.claim(unit(), "a")
    for n in range(1, 4):
        cassandra.commit(claim, n - 1 or None, n, adding(1), None)
    assert kept() == [("a", 3)]
    with monkeypatch.context() as patched:
        patched.setattr(Fences, "ask", dying)
        with pytest.raises(UnknownOutcome):
            cassandra.commit(claim, 3, 4, adding(1), None)
    assert kept() == [("a", 4)], "of the position 3 all is served"
    again = cassandra.claim(unit(), "b")
    assert again.next == 3
    assert kept() == []
    cassandra.commit(again, 3, 5, adding(2), None)
    assert kept() == [("b", 5)]
    assert shown(cassandra)[1] == 5


def dying(*arguments: object) -> None:
    raise UnknownOutcome("killed")


def test_a_claim_that_cannot_serve_is_no_claim(cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch) -> None:
    cassandra.commit(cassandra.claim(unit(), "a"), None, 5, adding(5, "at 5"), None)
    with cut(monkeypatch, 0), pytest.raises(StorageUnavailable):
        cassandra.claim(unit(), "b")
    claim = cassandra.claim(unit(), "c")
    assert (claim.epoch, claim.next) == (3, 5)


def test_a_row_that_is_ahead_of_its_unit_is_not_taken_for_what_it_should_be(
    cassandra: Cassandra, served: Served
) -> None:
    claim = cassandra.claim(unit(), "a")
    cassandra.commit(claim, None, 5, adding(5, "at 5"), None)
    late(served, 9, [*put_cells({KEY: b"at 9"}), *sum_cells({Address(COUNTS, "all"): {"x": 9}})])
    with pytest.raises(SuspectGeneration, match=r"as of 9, and its unit only at 5.* Raise the learner's version"):
        cassandra.read(claim, 5, [KEY])
    again = cassandra.claim(unit(), "b")
    with pytest.raises(SuspectGeneration, match=r"counters/.* of 'all' is as of 9"):
        cassandra.commit(again, 5, 6, adding(1), None)


@pytest.mark.parametrize("lost", [1, 2])
def test_the_lost_reply_of_a_conditional_update_is_found_out_about(
    cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    claim, ask, sent = cassandra.claim(unit(), "a"), Fences.ask, 0

    def deaf(self: Fences, move: Move) -> Any:
        nonlocal sent
        asked, sent = ask(self, move), sent + 1
        if sent <= lost:
            asked.result()
            asked.result = timed_out
        return asked

    monkeypatch.setattr(Fences, "ask", deaf)
    outcomes = [cassandra.commit(claim, n - 1 or None, n, adding(1, f"at {n}"), None) for n in (1, 2)]
    assert outcomes == [Outcome.ALREADY, Outcome.ALREADY if lost == 2 else Outcome.OK]
    assert sent == 2
    assert shown(cassandra) == (b"at 2", 2)


def timed_out() -> None:
    raise OperationTimedOut


def test_the_lost_reply_of_a_claim_is_found_out_about(cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch) -> None:
    send = CassandraSession.send

    def lost(self: CassandraSession, text: str, *arguments: Any, **options: Any) -> Any:
        found = send(self, text, *arguments, **options)
        if "SET epoch" in text:
            found.result()
            found.result = timed_out
        return found

    monkeypatch.setattr(CassandraSession, "send", lost)
    claims = [cassandra.claim(unit(), owner) for owner in ("a", "b")]
    assert [(claim.epoch, claim.owner) for claim in claims] == [(1, "a"), (2, "b")]
    assert cassandra.commit(claims[0], None, 1, adding(1), None) is Outcome.FENCED
    assert cassandra.commit(claims[1], None, 1, adding(1), None) is Outcome.OK


def test_what_a_claim_knows_of_its_sums_ends_with_the_claim(cassandra_clean: str, cassandra: Cassandra) -> None:
    first = cassandra.claim(unit(), "a")
    cassandra.commit(first, None, 1, adding(1), None)
    with closing(Cassandra(cassandra_clean, timeout=20)) as elsewhere:
        second = elsewhere.claim(unit(), "b")
        assert cassandra.commit(first, 1, 2, adding(10), None) is Outcome.FENCED
        elsewhere.commit(second, 1, 2, adding(100), None)
        third = cassandra.claim(unit(), "c")
        cassandra.commit(third, 2, 3, adding(1000), None)
        assert elsewhere.commit(second, 3, 4, adding(1), None) is Outcome.FENCED
    assert shown(cassandra)[1] == 1101


def test_a_storage_that_was_erased_and_is_written_again_shows_nothing_from_before(
    cassandra: Cassandra, served: Served
) -> None:
    for item in (storage(RECORDS), storage(COUNTS)):
        cassandra.declare(item)
    cassandra.commit(cassandra.claim(unit(), "a"), None, 900, adding(900, "before"), None)
    late(served, 900, put_cells({KEY: b"before"}))
    for item in (storage(RECORDS), storage(COUNTS)):
        cassandra.erase(item)
    late(served, 5_000, put_cells({KEY: b"late"}))
    assert dict(cassandra.dump(storage(RECORDS))) == {}
    claim = cassandra.claim(unit(), "b")
    assert (claim.epoch, claim.next) == (1, None)
    cassandra.commit(claim, None, 3, adding(3, "after"), None)
    assert shown(cassandra) == (b"after", 3)


def test_what_a_unit_has_left_is_not_served_into_a_storage_that_was_erased_and_is_written_again(
    cassandra: Cassandra,
) -> None:
    for item in (storage(RECORDS), storage(COUNTS), storage(TREND)):
        cassandra.declare(item)
    claim = cassandra.claim(unit(), "a")
    writes = adding(5, "kept")
    writes.scores[Address(TREND, "all", 7)] = {"x": 1.0}
    cassandra.commit(claim, None, 5, writes, None)
    cassandra.erase(storage(COUNTS))
    cassandra.erase(storage(TREND))
    again = cassandra.claim(unit(), "b")
    assert (again.epoch, again.next) == (2, 5)
    assert cassandra.read(again, 5, [KEY]) == [b"kept"]
    writes.scores = {Address(TREND, "all", 2): {"x": 2.0}}
    cassandra.commit(again, 5, 6, writes, None)
    assert shown(cassandra) == (b"kept", 5)
    assert cassandra.newest(storage(TREND)).bucket == 2


def test_a_keyspace_of_the_layout_before_is_refused(cassandra_url: str, cassandra_tables: CassandraSession) -> None:
    keyspace = f"k{uuid4().hex[:12]}"
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    cassandra_tables.write(f"CREATE KEYSPACE {keyspace} WITH replication = {replication}")
    cassandra_tables.write(f"CREATE TABLE {keyspace}.state (unit text PRIMARY KEY)")
    with closing(Cassandra(cassandra_url.rpartition("/")[0] + f"/{keyspace}", timeout=60)) as mine:
        with pytest.raises(StorageError, match="another keyspace in cassandra_url; the learners then fold"):
            mine.storages()
    cassandra_tables.write(f"DROP KEYSPACE {keyspace}")


def test_many_who_come_first_make_the_tables_once(cassandra_url: str) -> None:
    keyspace = f"k{uuid4().hex[:12]}"
    url = cassandra_url.rpartition("/")[0] + f"/{keyspace}"
    barrier = Barrier(4)

    def arrive(number: int) -> int:
        with closing(Cassandra(url, timeout=60)) as mine:
            barrier.wait()
            claim = mine.claim(unit(), f"owner {number}")
            mine.commit(claim, claim.next, (claim.next or 0) + 1, Writes(), None)
            return claim.epoch

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(arrive, range(4))) == [1, 2, 3, 4]
    with closing(CassandraSession(CassandraAddress.of(url), 60)) as found:
        found.write(f"DROP KEYSPACE {keyspace}")


def test_a_commit_too_large_for_one_step_is_refused_and_nothing_is_written(cassandra: Cassandra) -> None:
    claim = cassandra.claim(unit(), "a")
    large = Writes(puts={Address(RECORDS, str(number)): bytes(1 << 20) for number in range(16)})
    with pytest.raises(WriteRefused, match=r"16 rows and 16.0 MiB is more .* fold fewer events"):
        cassandra.commit(claim, None, 1, large, None)
    with pytest.raises(WriteRefused, match="70000 bytes; Cassandra takes keys of up to 65535"):
        cassandra.commit(claim, None, 1, Writes(puts={Address(RECORDS, "k" * 70_000): b""}), None)
    assert dict(cassandra.dump(storage(RECORDS))) == {}
    some = Writes(puts={Address(RECORDS, str(number)): bytes(1 << 20) for number in range(9)})
    assert cassandra.commit(claim, None, 1, some, None) is Outcome.OK
    assert cassandra.read(claim, 1, list(some.puts)) == list(some.puts.values())


def test_a_commit_that_fills_the_socket_waits_for_it(cassandra_clean: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_AT_ONCE", (*session._AT_ONCE, (socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)))
    some = Writes(puts={Address(RECORDS, str(number)): bytes(1 << 14) for number in range(800)})
    with closing(Cassandra(cassandra_clean, timeout=20)) as cassandra:
        claim = cassandra.claim(unit(), "a")
        assert cassandra.commit(claim, None, 1, some, None) is Outcome.OK
        assert cassandra.read(claim, 1, list(some.puts)) == list(some.puts.values())


def test_one_reader_serves_several_event_loops(cassandra: Cassandra, cassandra_clean: str) -> None:
    cassandra.commit(cassandra.claim(unit(), "a"), None, 1, adding(1, "here"), None)
    reads = CassandraReads(cassandra_clean, timeout=20)

    async def ask() -> list[Any]:
        return await asyncio.gather(*(reads.rows(storage(RECORDS), ["k", str(n)]) for n in range(20)))

    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda _: asyncio.run(ask()), range(3)):
            assert found == [[b"here", None]] * 20
    asyncio.run(reads.close())


async def test_a_read_may_be_cancelled_at_any_moment(cassandra: Cassandra, cassandra_clean: str) -> None:
    cassandra.commit(cassandra.claim(unit(), "a"), None, 1, adding(1, "here"), None)
    reads = CassandraReads(cassandra_clean, timeout=20)
    for step in range(12):
        task = asyncio.create_task(reads.rows(storage(RECORDS), ["k"]))
        for _ in range(step):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"here"]
    await reads.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await reads.rows(storage(RECORDS), ["k"])


async def test_more_members_than_one_page_are_ranked(cassandra: Cassandra, cassandra_clean: str) -> None:
    row = Address(TREND, "all", 1)
    members = {f"m{number:05}": float(number) for number in range(12_000)}
    cassandra.commit(cassandra.claim(unit(), "a"), None, 1, Writes(scores={row: members}), None)
    reads = CassandraReads(cassandra_clean, timeout=20)
    _, [found] = await reads.top(storage(TREND), [row], 2)
    assert found == [("m11999", 11_999.0), ("m11998", 11_998.0)]
    assert await reads.count(storage(TREND)) in (12_000, None)
    await reads.close()
