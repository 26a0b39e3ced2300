"""What is special about Cassandra: its two kinds of rows, replies that are lost, and who is late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from cassandra import OperationTimedOut

from storage.address import Address
from storage.cassandra import Cassandra
from storage.cassandra_address import CassandraAddress
from storage.cassandra_cells import put_cells, sum_cells
from storage.cassandra_places import Places
from storage.cassandra_reads import CassandraReads
from storage.cassandra_served import Served
from storage.cassandra_session import CassandraSession
from storage.cassandra_state import State
from storage.errors import StorageUnavailable, UnknownOutcome, WriteRefused
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, RECORDS, TREND, storage, unit

KEY = Address(RECORDS, "k")
UNIT = "clicks/0"


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


def cut(monkeypatch: pytest.MonkeyPatch, cassandra: Cassandra, claim: Claim, new: int, writes: Writes) -> None:
    """A worker that dies when its served rows are written and its state is not."""

    def dies(*arguments: object) -> Outcome:
        raise UnknownOutcome("killed")

    with monkeypatch.context() as patched:
        patched.setattr(State, "move", dies)
        with pytest.raises(UnknownOutcome, match="killed"):
            cassandra.commit(claim, claim.next, new, writes, None)


def test_served_rows_of_a_late_zombie_lose_against_newer_ones(cassandra: Cassandra, served: Served) -> None:
    claim = cassandra.claim(unit(), "a")
    cassandra.commit(claim, None, 5, adding(5, "at 5"), None)
    cassandra.commit(claim, 5, 9, adding(4, "at 9"), None)
    late = [*put_cells({KEY: b"at 7"}), *sum_cells({Address(COUNTS, "all"): {"x": 7}})]
    served.write(unit(), UNIT, 7 + 1, late)
    assert shown(cassandra) == (b"at 9", 9)


def test_a_commit_cut_between_served_rows_and_state_is_repeated_without_doubling(
    cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch
) -> None:
    cassandra.commit(cassandra.claim(unit(), "a"), None, 5, adding(5, "at 5"), None)
    cut(monkeypatch, cassandra, cassandra.claim(unit(), "b"), 9, adding(4, "at 9"))
    assert shown(cassandra) == (b"at 9", 9), "readers may be ahead of the position"
    again = cassandra.claim(unit(), "c")
    assert again.next == 5
    assert cassandra.read(again, 5, [KEY]) == [b"at 5"], "what the fold reads back is not ahead"
    assert cassandra.commit(again, 5, 9, adding(4, "at 9"), None) is Outcome.OK
    assert shown(cassandra) == (b"at 9", 9)


def test_after_a_cut_commit_batches_may_end_elsewhere(cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch) -> None:
    cassandra.commit(cassandra.claim(unit(), "a"), None, 5, adding(5, "at 5"), None)
    cut(monkeypatch, cassandra, cassandra.claim(unit(), "b"), 9, adding(4, "at 9"))
    claim, seen = cassandra.claim(unit(), "c"), []
    for position in (6, 8, 11, 12):
        expected = {6: 5, 8: 6, 11: 8, 12: 11}[position]
        assert cassandra.commit(claim, expected, position, adding(position - expected, f"at {position}"), None)
        seen.append(shown(cassandra))
        assert cassandra.read(claim, position, [KEY]) == [f"at {position}".encode()]
    assert seen == [(b"at 9", 9), (b"at 9", 9), (b"at 11", 11), (b"at 12", 12)], "never behind what was seen"


class Deaf:
    """Answers of a server that reach nobody: what was asked for is done all the same."""

    def __init__(self, send: Callable[..., Any], lost: int) -> None:
        self._send, self._lost, self.sent = send, lost, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        future, self.sent = self._send(*arguments, **options), self.sent + 1
        if self.sent <= self._lost:
            future.result()
            future.result = self._time_out
        return future

    def _time_out(self) -> None:
        raise OperationTimedOut


@pytest.mark.parametrize("lost", [1, 2])
def test_the_lost_reply_of_a_conditional_batch_is_found_out_about(
    cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    claim, session, moved = cassandra.claim(unit(), "a"), cassandra._session, State._moved
    deaf = Deaf(session.send_batch, lost)

    def moving(self: State, *arguments: Any) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr(session, "send_batch", deaf)
            return moved(self, *arguments)

    monkeypatch.setattr(State, "_moved", moving)
    outcomes = [cassandra.commit(claim, n - 1 or None, n, adding(1, f"at {n}"), None) for n in (1, 2)]
    assert outcomes == [Outcome.ALREADY, Outcome.ALREADY if lost == 2 else Outcome.OK]
    assert deaf.sent == 2
    assert shown(cassandra) == (b"at 2", 2)


def test_the_lost_reply_of_a_claim_is_found_out_about(cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch) -> None:
    write = CassandraSession.write

    def lost(self: CassandraSession, text: str, *values: Any) -> Any:
        found = write(self, text, *values)
        if "IF epoch" in text:
            raise UnknownOutcome("no reply")
        return found

    monkeypatch.setattr(CassandraSession, "write", lost)
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
    served.write(unit(), UNIT, 901, put_cells({KEY: b"before"}))
    for item in (storage(RECORDS), storage(COUNTS)):
        cassandra.erase(item)
    served.write(unit(), UNIT, 5_000, put_cells({KEY: b"late"}))
    assert dict(cassandra.dump(storage(RECORDS))) == {}
    claim = cassandra.claim(unit(), "b")
    assert (claim.epoch, claim.next) == (1, None)
    cassandra.commit(claim, None, 3, adding(3, "after"), None)
    assert shown(cassandra) == (b"after", 3)


def test_a_storage_that_is_erased_takes_its_rows_of_the_state_along(cassandra: Cassandra) -> None:
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
    with closing(CassandraSession(CassandraAddress.of(url), 60)) as session:
        session.write(f"DROP KEYSPACE {keyspace}")


def test_a_commit_too_large_for_one_step_is_refused_and_nothing_is_written(cassandra: Cassandra) -> None:
    claim = cassandra.claim(unit(), "a")
    large = Writes(puts={Address(RECORDS, str(number)): bytes(1 << 20) for number in range(16)})
    with pytest.raises(WriteRefused, match=r"16 rows and 16 MiB is more .* fold fewer events"):
        cassandra.commit(claim, None, 1, large, None)
    with pytest.raises(WriteRefused, match="70000 bytes; Cassandra takes keys of up to 65535"):
        cassandra.commit(claim, None, 1, Writes(puts={Address(RECORDS, "k" * 70_000): b""}), None)
    assert dict(cassandra.dump(storage(RECORDS))) == {}
    some = Writes(puts={Address(RECORDS, str(number)): bytes(1 << 20) for number in range(9)})
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
