"""What only Redis can do wrong: types that somebody has changed, scripts that fail half way, lost replies, restarts."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest
import redis

from storage.address import Address
from storage.errors import StorageUnavailable, SuspectGeneration, UnknownOutcome, WriteRefused
from storage.redis.keys import Keys
from storage.redis.redis import Redis
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.conftest import free_ports
from tests.contracts.model import COUNTS, PLACES, RECORDS, TREND, storage, unit
from tests.storage.redis_stage import OwnRedis

KEYS = Keys("watching", 1)
ROWS = {
    RECORDS: KEYS.records(RECORDS),
    COUNTS: KEYS.row(Address(COUNTS, "k")),
    TREND: KEYS.row(Address(TREND, "k", 3)),
    PLACES: KEYS.row(Address(PLACES, "k")),
}

OTHERS = "counters/others"


def everything() -> Writes:
    """A write of each kind."""
    return Writes(
        puts={Address(RECORDS, "k"): b"x"},
        sums={Address(COUNTS, "k"): {"x": 1}},
        scores={Address(TREND, "k", 3): {"x": 1.0}},
        ranks={Address(PLACES, "k"): {"x": 1.0}},
        newest={TREND: 5},
    )


@pytest.fixture
def technology(redis_clean: str) -> Iterator[Redis]:
    made = Redis(redis_clean)
    yield made
    made.close()


@pytest.fixture
def raw(redis_clean: str) -> Iterator[redis.Redis]:
    """Somebody who writes around the protocol."""
    with redis.Redis.from_url(redis_clean) as client:
        yield client


def picture(raw: redis.Redis) -> dict[bytes, object]:
    """All that is in Redis, but for when units committed and what is suspect."""
    raw.hdel(KEYS.unit("clicks/0"), "suspect")
    hashes = list(raw.scan_iter(_type="hash"))  # the same fields may be kept in several ways
    others = {key: raw.dump(key) for key in raw.scan_iter() if key not in hashes}
    return {**others, **{key: raw.hgetall(key) for key in hashes}}


@pytest.mark.parametrize("key", [*ROWS.values(), KEYS.storage(TREND)])
def test_a_row_of_a_wrong_type_is_found_before_anything_is_written_and_the_generation_is_suspect(
    technology: Redis, raw: redis.Redis, key: str
) -> None:
    claim = technology.claim(unit(), "a")
    raw.lpush(key, "x")
    before = picture(raw)
    with pytest.raises(SuspectGeneration, match="watching"):
        technology.commit(claim, None, 1, everything(), None)
    with pytest.raises(SuspectGeneration, match="watching"):
        technology.claim(unit(), "b")
    with pytest.raises(SuspectGeneration):
        technology.commit(claim, None, 1, Writes(), None)
    with pytest.raises(SuspectGeneration):
        technology.read(claim, None, [])
    assert picture(raw) == before


def test_a_sum_that_somebody_has_made_no_number_is_suspect(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.hset(ROWS[COUNTS], "x", "many")
    before = picture(raw)
    with pytest.raises(SuspectGeneration, match="no number"):
        technology.commit(claim, None, 1, everything(), None)
    assert picture(raw) == before


def counted() -> Writes:
    """The same as `everything`, with sums that are counts, as frames add them."""
    found = everything()
    found.sums.clear()
    found.count(COUNTS, ["k", "l", "k"])
    found.count(OTHERS, ["k", "m"], [-3, 2**40])
    assert found.counts
    return found


def test_counts_are_written_as_the_same_sums_are(technology: Redis, raw: redis.Redis) -> None:
    pictures = []
    for summed in (False, True):
        raw.flushall()
        claim = technology.claim(unit(), "a")
        for expected, new in [(None, 1), (1, 2)]:
            writes = counted()
            assert not summed or writes.sums  # whoever asks for sums has no counts any more
            assert bool(writes.counts) is not summed
            assert technology.commit(claim, expected, new, writes, None) is Outcome.OK
        raw.hdel(KEYS.unit("clicks/0"), "committed")
        pictures.append(picture(raw))
    assert pictures[0] == pictures[1]
    assert raw.hgetall(ROWS[COUNTS]) == {b"count": b"4"}
    assert raw.hgetall(KEYS.row(Address(OTHERS, "m"))) == {b"count": str(2**41).encode()}
    assert raw.hget(KEYS.storage(OTHERS), "rows") == b"2"


@pytest.mark.parametrize("wrong", ["type", "no number", "too large"])
def test_a_count_that_cannot_be_added_to_is_found_before_anything_is_written(
    technology: Redis, raw: redis.Redis, wrong: str
) -> None:
    claim = technology.claim(unit(), "a")
    row = KEYS.row(Address(OTHERS, "m"))  # the last of all
    if wrong == "type":
        raw.lpush(row, "x")
    else:
        raw.hset(row, "count", "many" if wrong == "no number" else 2**53)
    before = picture(raw)
    with pytest.raises(WriteRefused if wrong == "too large" else SuspectGeneration, match="m"):
        technology.commit(claim, None, 1, counted(), None)
    assert bool(raw.hget(KEYS.unit("clicks/0"), "suspect")) is (wrong != "too large")
    assert picture(raw) == before


def test_items_are_counted_once_also_where_a_sum_has_been_zero(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    for number, (amounts, rows) in enumerate([([1, 5], 2), ([2, -5], 2), ([0, 3], 2), ([1, 3], 2)]):
        writes = Writes()
        writes.count(COUNTS, ["k", "m"], amounts)
        assert technology.commit(claim, number or None, number + 1, writes, None) is Outcome.OK
        assert raw.hget(KEYS.storage(COUNTS), "rows") == str(rows).encode()
    assert raw.hgetall(KEYS.row(Address(COUNTS, "m"))) == {b"count": b"6"}


@pytest.mark.parametrize("amounts", [[4, 4, 1], [0, 4, 1], [4, 0, 1], [4, 2**53, 1]])
def test_counts_are_as_before_where_a_later_one_is_refused(
    technology: Redis, raw: redis.Redis, amounts: list[int]
) -> None:
    claim = technology.claim(unit(), "a")
    first, second = Writes(), Writes()
    first.count(COUNTS, ["old", "full"], [1, 2**53])
    second.count(COUNTS, ["new", "old", "full", "never"], [*amounts, 1])
    assert technology.commit(claim, None, 1, first, None) is Outcome.OK
    before = picture(raw)
    with pytest.raises(WriteRefused, match="old" if 2**53 in amounts else "full"):
        technology.commit(claim, 1, 2, second, None)
    assert picture(raw) == before


def test_a_text_that_utf_8_cannot_write_is_refused_and_nothing_is_written(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    before = picture(raw)
    for address, item in [(Address(COUNTS, "\ud800"), "x"), (Address(COUNTS, "k"), "\udfff")]:
        with pytest.raises(WriteRefused, match="UTF-8"):
            technology.commit(
                claim, None, 1, Writes(puts={Address(RECORDS, "k"): b"x"}, sums={address: {item: 1}}), None
            )
    assert picture(raw) == before


def test_a_zombie_cannot_make_a_generation_suspect(technology: Redis, raw: redis.Redis) -> None:
    zombie = technology.claim(unit(), "a")
    claim = technology.claim(unit(), "b")
    raw.lpush(ROWS[COUNTS], "x")
    assert technology.commit(zombie, None, 1, everything(), None) is Outcome.FENCED
    assert technology.commit(claim, None, 1, Writes(), None) is Outcome.OK


def test_a_script_that_fails_half_way_leaves_its_mark(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.hset(KEYS.storage(TREND), "rows", "many")  # what no check looks at, as nobody reads it in the script
    with pytest.raises(SuspectGeneration):
        technology.commit(claim, None, 1, everything(), None)
    for again in (lambda: technology.commit(claim, None, 1, everything(), None), lambda: technology.claim(unit(), "b")):
        with pytest.raises(SuspectGeneration, match="half applied"):
            again()


def test_a_row_that_is_read_back_as_another_type_is_suspect(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.lpush(ROWS[RECORDS], "x")
    with pytest.raises(SuspectGeneration):
        technology.read(claim, None, [Address(RECORDS, "k")])


def test_a_redis_without_memory_is_unavailable_and_nothing_is_written(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    before = picture(raw)
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(StorageUnavailable, match="memory"):
            technology.commit(claim, None, 1, everything(), None)
        with pytest.raises(StorageUnavailable, match="memory"):
            technology.claim(unit(), "b")
        with pytest.raises(StorageUnavailable, match="memory"):
            technology.declare(storage(TREND))
        assert picture(raw) == before
    finally:
        raw.config_set("maxmemory", 0)
    assert technology.commit(claim, None, 1, everything(), None) is Outcome.OK


def test_a_replica_is_unavailable_for_writing(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.replicaof("127.0.0.1", free_ports(1)[0])
    try:
        with pytest.raises(StorageUnavailable, match="read only"):
            technology.commit(claim, None, 1, everything(), None)
        with pytest.raises(StorageUnavailable, match="read only"):
            technology.claim(unit(), "b")
    finally:
        raw.replicaof("NO", "ONE")
    assert technology.commit(claim, None, 1, everything(), None) is Outcome.OK


def test_scripts_that_redis_has_forgotten_are_sent_again(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.script_flush()
    assert technology.commit(claim, None, 1, everything(), None) is Outcome.OK
    raw.script_flush()
    assert technology.read(claim, 1, [Address(RECORDS, "k")]) == [b"x"]


def test_a_connection_that_ended_while_it_was_idle_is_no_unknown_outcome(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    raw.client_kill_filter(_type="normal", skipme=True)
    assert technology.commit(claim, None, 1, everything(), None) is Outcome.OK


def test_a_commit_without_an_answer_is_unknown_and_the_identical_one_settles_it(
    redis_clean: str, raw: redis.Redis
) -> None:
    technology, reading = Redis(redis_clean, timeout=0.2), Redis(redis_clean, timeout=0.2)
    reading.claim(unit(partition=1), "b")
    claim = technology.claim(unit(), "a")
    raw.client_pause(500)
    with pytest.raises(UnknownOutcome):
        technology.commit(claim, None, 1, everything(), None)
    with pytest.raises(UnknownOutcome):
        reading.read(claim, None, [Address(RECORDS, "k")])
    raw.ping()  # answered when the pause is over
    assert technology.commit(claim, None, 1, everything(), None) in (Outcome.OK, Outcome.ALREADY)
    assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "k"): {"x": 1}}
    technology.close()
    reading.close()


def test_a_claim_without_an_answer_may_be_made_again(redis_clean: str, raw: redis.Redis) -> None:
    technology = Redis(redis_clean, timeout=0.2)
    raw.client_pause(400)
    with pytest.raises(StorageUnavailable):
        technology.claim(unit(), "a")
    raw.ping()
    claim = technology.claim(unit(), "b")
    assert technology.commit(claim, None, 1, Writes(), None) is Outcome.OK
    technology.close()


def test_a_redis_that_is_not_there_is_unavailable_and_its_password_is_not_told() -> None:
    technology = Redis(f"redis://:secret@127.0.0.1:{free_ports(1)[0]}/0")
    calls: list[Callable[[], object]] = [
        lambda: technology.declare(storage(TREND)),
        lambda: technology.claim(unit(), "a"),
        lambda: technology.commit(Claim(unit(), 1, "a", None), None, 1, everything(), None),
        lambda: technology.read(Claim(unit(), 1, "a", None), None, []),
        lambda: technology.units(storage(TREND)),
        lambda: technology.newest(storage(TREND)),
        lambda: list(technology.dump(storage(TREND))),
    ]
    for call in calls:
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1") as refused:
            call()
        assert "secret" not in str(refused.value)


def test_a_commit_is_sent_exactly_once_by_itself() -> None:
    """A server that hangs up when it is asked: whatever redis-py may do by default, nothing is repeated."""
    received: list[bytes] = []
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(0.5)

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        while b"EVALSHA" not in (data := connection.recv(1 << 16)) and data:
                            connection.sendall(b"+OK\r\n")
                        received.append(data)
            except TimeoutError:
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        technology = Redis(f"redis://127.0.0.1:{server.getsockname()[1]}/0", timeout=0.3)
        with pytest.raises(UnknownOutcome):
            technology.commit(Claim(unit(), 1, "a", None), None, 1, everything(), None)
        thread.join()
    assert len([data for data in received if data]) == 1


def test_a_row_is_found_although_its_storages_name_looks_like_a_pattern(technology: Redis) -> None:
    claim = technology.claim(unit(), "a")
    names = ["counters/[a]*", "counters/a", "counters/?"]
    technology.commit(claim, None, 1, Writes(sums={Address(name, "k"): {name: 1} for name in names}), None)
    for name in names:
        assert dict(technology.dump(storage(name))) == {Address(name, "k"): {name: 1}}


def test_all_keys_of_a_generation_are_in_one_hash_slot(technology: Redis, raw: redis.Redis) -> None:
    claim = technology.claim(unit(), "a")
    writes = everything()
    writes.sums[Address(COUNTS, "}{x}")] = {"y": 1}
    technology.commit(claim, None, 1, writes, 7)
    keys = list(raw.scan_iter())
    assert len(keys) > 8
    assert {key.partition(b"{")[2].partition(b"}")[0] for key in keys} == {b"watching@1"}


def test_after_kills_of_redis_between_commits_the_rows_are_the_fold_of_the_log(own_redis: OwnRedis) -> None:
    """A worker follows the protocol over 20,000 events, each counted once, while Redis is killed and started again."""
    technology, last = Redis(own_redis.url, timeout=1.0), 20_000
    finished = threading.Event()

    def kill() -> None:
        chance = random.Random(7)
        while not finished.wait(0.05 + chance.random() / 5):
            own_redis.kill()
            own_redis.start()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        troubles = worked(technology, last)
    finally:
        finished.set()
        killer.join()
    assert troubles > 0
    assert dict(technology.dump(storage(COUNTS))) == {
        Address(COUNTS, "all"): {"events": last},
        **{Address(COUNTS, f"k{number}"): {"events": last // 10} for number in range(10)},
    }
    assert [state.next for state in technology.units(storage(COUNTS))] == [last]
    technology.close()


def worked(technology: Redis, last: int) -> int:
    """Fold events [0, last) as a unit does; how often something went wrong on the way."""
    claim, troubles, deadline = None, 0, time.monotonic() + 60
    position: int | None = None
    while position != last:
        assert time.monotonic() < deadline
        try:
            if claim is None:
                claim = technology.claim(unit(), uuid4().hex)
                position = claim.next
            new = (position or 0) + 5
            rows = [f"k{number % 10}" for number in range(position or 0, new)]
            sums = {Address(COUNTS, row): {"events": 1} for row in rows} | {Address(COUNTS, "all"): {"events": 5}}
            outcome = technology.commit(claim, position, new, Writes(sums=sums), new)
        except UnknownOutcome:
            troubles += 1  # the loop sends the identical commit again
        except StorageUnavailable:
            troubles += 1
            time.sleep(0.01)
        else:
            position, claim = (new, claim) if outcome in (Outcome.OK, Outcome.ALREADY) else (position, None)
    return troubles
