"""One learner's rows on several nodes of a real Redis Cluster: nodes die, forget and give slots away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from redis.crc import key_slot

from benchmarks.prove_storage.redis_cluster import DURABLE, Cluster, free_ports, move_slot, say
from learners.plan import resend_pause
from storage.address import Address
from storage.errors import StorageUnavailable, SuspectGeneration, UnknownOutcome
from storage.redis.cluster import RedisCluster
from storage.redis.cluster_reads import RedisClusterReads
from storage.redis.keys import Keys
from storage.redis.nodes import Nodes
from storage.redis.redis import Redis
from storage.redis.shards import SHARDS, shard_of
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, RECORDS, storage, unit
from tests.storage.guarded import PASSWORD
from tests.storage.redis_guarded import users
from tests.storage.roles import do_everything, read_everything

pytestmark = pytest.mark.server
KEYS = [f"u{number}" for number in range(40)]
"""So many are in every shard."""
OTHER = shard_of("u1", SHARDS)
assert OTHER


def one_each(number: int) -> Writes:
    """An event for each key: it is counted, and its record is the last one's."""
    return Writes(
        puts={Address(RECORDS, key): str(number).encode() for key in KEYS},
        sums={Address(COUNTS, key): {"n": 1} for key in KEYS},
    )


def sure(technology: RedisCluster, claim: Claim, start: int | None, new: int, writes: Writes) -> None:
    """Commit, and send the same again until it is known, as a worker does."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with suppress(UnknownOutcome, StorageUnavailable):
            assert technology.commit(claim, start, new, writes, None) in (Outcome.OK, Outcome.ALREADY)
            return
        time.sleep(resend_pause(0, 0.5))
    raise AssertionError("the outcome is never known")


def compare(technology: RedisCluster, commits: int) -> None:
    """Every event counts once, and every record is that of the last one."""
    assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, key): {"n": commits} for key in KEYS}
    wanted = {Address(RECORDS, key): str(commits).encode() for key in KEYS}
    assert dict(technology.dump(storage(RECORDS))) == wanted


@pytest.fixture
def technology(redis_cluster_url: str) -> Iterator[RedisCluster]:
    with closing(RedisCluster(redis_cluster_url, timeout=10)) as opened:
        yield opened


@pytest.fixture
def port_of(redis_cluster_url: str) -> Callable[[int], int]:
    """The port of the node that has a shard."""

    def found(shard: int) -> int:
        with closing(Nodes(redis_cluster_url, 10)) as nodes:
            return int(nodes.url(Keys.of(unit(), shard).units).rpartition(":")[2])

    return found


class Memory:
    """What a shard is now, to be put back later: a node that forgets."""

    def __init__(self, port: int, shard: int) -> None:
        self._port, self._slot = port, Keys.of(unit(), shard).units
        with self._client() as client:
            self._kept = {key: client.dump(key) for key in self._keys(client)}

    def put_back(self) -> None:
        """Everything is as it was."""
        with self._client() as client:
            client.unlink(*self._keys(client))
            for key, value in self._kept.items():
                client.restore(key, 0, value, replace=True)

    def _client(self) -> redis.Redis:
        return redis.Redis(port=self._port, protocol=2)

    def _keys(self, client: redis.Redis) -> list[bytes]:
        prefix = self._slot.removesuffix("units").encode()
        return [key for key in client.scan_iter(count=1_000) if key.startswith(prefix)]


def test_rows_of_one_learner_land_on_every_node(
    technology: RedisCluster, redis_cluster_ports: list[int], port_of: Callable[[int], int]
) -> None:
    claim = technology.claim(unit(), "a")
    assert technology.commit(claim, None, 1, one_each(1), None) is Outcome.OK
    rows = {port: int(say(port, "DBSIZE").strip(b":\r\n")) for port in redis_cluster_ports}
    assert all(rows.values()), rows
    for key in KEYS:
        shard = shard_of(key, SHARDS)
        with redis.Redis(port=port_of(shard), protocol=2) as client:
            assert client.hget(Keys.of(unit(), shard).records(RECORDS), key) == b"1"
    compare(technology, 1)


def test_a_plain_redis_keeps_a_generation_as_before_and_a_cluster_goes_on_with_that(
    technology: RedisCluster, port_of: Callable[[int], int], redis_clean: str
) -> None:
    with closing(Redis(redis_clean)) as plain, redis.Redis.from_url(redis_clean, protocol=2) as client:
        assert plain.commit(plain.claim(unit(), "a"), None, 1, one_each(1), None) is Outcome.OK
        prefix = Keys.of(unit()).units.removesuffix("units").encode()
        assert all(key.startswith(prefix) for key in client.scan_iter(count=1_000))
        assert not client.exists(Keys.of(unit()).generation)
        kept = {key: client.dump(key) for key in client.scan_iter(count=1_000)}
    with redis.Redis(port=port_of(0), protocol=2) as moved:
        for key, value in kept.items():
            moved.restore(key, 0, value)
    claim = technology.claim(unit(), "b")
    assert technology.commit(claim, 1, 2, one_each(2), None) is Outcome.OK
    assert technology.read(claim, 2, [Address(RECORDS, "u7")]) == [b"2"]
    compare(technology, 2)


@pytest.mark.parametrize("forgotten", [1, 3])
def test_a_shard_that_forgets_what_it_acknowledged_takes_it_again(
    technology: RedisCluster, port_of: Callable[[int], int], forgotten: int
) -> None:
    claim, shard = technology.claim(unit(), "a"), OTHER
    for new in range(1, 6):
        if new == 6 - forgotten:
            memory = Memory(port_of(shard), shard)
        sure(technology, claim, new - 1 or None, new, one_each(new))
    memory.put_back()
    assert [state.next for state in technology.units(storage(COUNTS))] == [4], "the rows are not there"
    again = technology.claim(unit(), "b")
    assert technology.read(again, 5, [Address(RECORDS, key) for key in KEYS]) == [b"5"] * len(KEYS)
    compare(technology, 5)


async def test_readers_are_told_a_position_only_when_all_shards_have_its_rows(
    technology: RedisCluster, redis_cluster_url: str, port_of: Callable[[int], int]
) -> None:
    reads, claim = RedisClusterReads(redis_cluster_url), technology.claim(unit(), "a")
    assert technology.commit(claim, None, 5, one_each(1), 50) is Outcome.OK
    memory = Memory(port_of(OTHER), OTHER)
    assert technology.commit(claim, 5, 9, one_each(2), 90) is Outcome.OK
    assert [(state.next, state.watermark_ms) for state in await reads.units(storage(COUNTS))] == [(9, 90)]
    memory.put_back()  # as if the worker had died before this shard had its part
    assert [(state.next, state.watermark_ms) for state in await reads.units(storage(COUNTS))] == [(5, 50)]
    assert await reads.sums(storage(COUNTS), ["u1"]) == [{"n": 1}]
    technology.claim(unit(), "b")
    assert [(state.next, state.watermark_ms) for state in await reads.units(storage(COUNTS))] == [(9, 90)]
    assert await reads.sums(storage(COUNTS), ["u1"]) == [{"n": 2}]
    await reads.close()


def test_a_shard_that_forgets_while_its_owner_goes_on_is_noticed_and_made_whole(
    technology: RedisCluster, port_of: Callable[[int], int]
) -> None:
    claim, shard = technology.claim(unit(), "a"), OTHER
    memory = Memory(port_of(shard), shard)
    sure(technology, claim, None, 1, one_each(1))
    memory.put_back()
    sure(technology, claim, 1, 2, one_each(2))
    compare(technology, 2)


def test_a_shard_that_forgets_more_than_is_kept_is_not_trusted(
    technology: RedisCluster, port_of: Callable[[int], int]
) -> None:
    claim, shard = technology.claim(unit(), "a"), OTHER
    sure(technology, claim, None, 1, one_each(1))
    memory = Memory(port_of(shard), shard)
    sure(technology, claim, 1, 2, one_each(2))
    memory.put_back()
    with redis.Redis(port=port_of(0), protocol=2) as state:
        state.delete(Keys.of(unit()).redo("clicks/0"))
    with pytest.raises(SuspectGeneration, match=f"shard {shard} of its rows at 1.*Raise the learner's version"):
        technology.claim(unit(), "b")


def test_a_state_that_forgets_is_folded_again_up_to_where_the_other_shards_are(
    technology: RedisCluster, port_of: Callable[[int], int]
) -> None:
    claim = technology.claim(unit(), "a")
    sure(technology, claim, None, 2, one_each(1))
    memory = Memory(port_of(0), 0)
    sure(technology, claim, 2, 5, one_each(2))
    memory.put_back()
    claim = technology.claim(unit(), "b")
    assert (claim.next, claim.cut(2)) == (2, 5)
    with pytest.raises(SuspectGeneration, match="rows that it reads back are at 5"):
        technology.read(claim, 2, [Address(RECORDS, key) for key in KEYS])
    sure(technology, claim, 2, 3, Writes())
    claim = technology.claim(unit(), "c")
    assert (claim.next, claim.cut(3)) == (3, 5)
    sure(technology, claim, 3, 5, one_each(2))
    assert technology.claim(unit(), "d").parts == ()
    sure(technology, technology.claim(unit(), "e"), 5, 6, one_each(3))
    compare(technology, 3)


@pytest.mark.parametrize("kept", ["soon", "0", "-1", "1025", "2.5"])
async def test_a_number_of_shards_that_is_none_is_suspect_and_hides_no_other_learner(
    technology: RedisCluster, port_of: Callable[[int], int], redis_cluster_url: str, kept: str
) -> None:
    written = technology.declare(storage(COUNTS))
    sure(technology, technology.claim(unit(), "a"), None, 1, one_each(1))
    with redis.Redis(port=port_of(0), protocol=2) as client:
        client.hset(Keys.of(unit()).generation, "shards", kept)
    with pytest.raises(SuspectGeneration, match=rf"{kept}.*[Ss]omebody else wrote it"):
        technology.claim(unit(), "b")
    with pytest.raises(SuspectGeneration, match=kept):
        technology.units(written)
    reads = RedisClusterReads(redis_cluster_url)
    with pytest.raises(SuspectGeneration, match=kept):
        await reads.sums(written, KEYS)
    assert [item.entry for item in (await reads.listed()).sorted()] == [written.entry]
    await reads.close()


@pytest.mark.parametrize("kept", ["{", "[1,2]", '["1"]', "3", b"\xff"])
async def test_positions_of_shards_that_are_none_are_suspect(
    technology: RedisCluster, port_of: Callable[[int], int], redis_cluster_url: str, kept: str | bytes
) -> None:
    written = technology.declare(storage(COUNTS))
    sure(technology, technology.claim(unit(), "a"), None, 1, one_each(1))
    with redis.Redis(port=port_of(0), protocol=2) as client:
        client.hset(Keys.of(unit()).unit("clicks/0"), "positions", kept)
    with pytest.raises(SuspectGeneration, match=r"positions are.*Somebody else wrote it"):
        technology.claim(unit(), "b")
    with pytest.raises(SuspectGeneration, match="positions are"):
        technology.units(written)
    reads = RedisClusterReads(redis_cluster_url)
    with pytest.raises(SuspectGeneration, match="positions are"):
        await reads.units(written)
    await reads.close()


def test_commits_that_are_kept_for_other_shards_and_are_none_are_suspect(
    technology: RedisCluster, port_of: Callable[[int], int]
) -> None:
    sure(technology, technology.claim(unit(), "a"), None, 1, one_each(1))
    memory = Memory(port_of(OTHER), OTHER)
    sure(technology, technology.claim(unit(), "b"), 1, 2, one_each(2))
    memory.put_back()
    with redis.Redis(port=port_of(0), protocol=2) as client:
        client.rpush(Keys.of(unit()).redo("clicks/0"), "next week")
    with pytest.raises(SuspectGeneration, match="next week"):
        technology.claim(unit(), "c")


def test_slots_that_move_while_commits_run_lose_and_double_nothing(
    technology: RedisCluster, redis_cluster_ports: list[int], port_of: Callable[[int], int]
) -> None:
    slots = {shard: key_slot(Keys.of(unit(), shard).units.encode()) for shard in (0, 3, 6)}
    claim = technology.claim(unit(), "a")
    sure(technology, claim, None, 1, one_each(1))
    moves, over = [], threading.Event()

    homes = {shard: port_of(shard) for shard in slots}

    def move() -> None:
        try:
            for shard, slot in slots.items():
                there = next(port for port in redis_cluster_ports if port != homes[shard])
                move_slot(slot, homes[shard], there, redis_cluster_ports)
                move_slot(slot, there, homes[shard], redis_cluster_ports)
                moves.append(shard)
        finally:
            over.set()

    moving = threading.Thread(target=move)
    moving.start()
    new = 1
    while not over.is_set() or new < 20:
        new += 1
        sure(technology, claim, new - 1, new, one_each(new))
    moving.join()
    assert moves == list(slots)
    compare(technology, new)


async def test_while_a_slot_is_half_moved_commits_are_refused_and_reads_go_on(
    technology: RedisCluster, redis_cluster_url: str, redis_cluster_ports: list[int], port_of: Callable[[int], int]
) -> None:
    reads = RedisClusterReads(redis_cluster_url)
    claim, shard = technology.claim(unit(), "a"), OTHER
    sure(technology, claim, None, 1, one_each(1))
    slot = key_slot(Keys.of(unit(), shard).units.encode())
    here = port_of(shard)
    there = next(port for port in redis_cluster_ports if port != here)
    names = {port: say(port, "CLUSTER", "MYID").split()[1].decode() for port in (here, there)}
    say(there, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", names[here])
    say(here, "CLUSTER", "SETSLOT", str(slot), "MIGRATING", names[there])
    moved = Keys.of(unit(), shard).row(Address(COUNTS, "u1"))
    say(here, "MIGRATE", "127.0.0.1", str(there), moved, "0", "5000")
    try:
        for _ in range(3):
            with pytest.raises((StorageUnavailable, UnknownOutcome)):
                technology.commit(claim, 1, 2, one_each(2), None)
            found = await reads.sums(storage(COUNTS), [*KEYS, "nobody"])
            shards = [shard_of(key, SHARDS) for key in KEYS]
            assert {row["n"] for row, shard in zip(found, shards, strict=False) if shard == OTHER} == {1}
            assert found[-1] == {}
    finally:
        await reads.close()
        move_slot(slot, here, there, redis_cluster_ports)
    try:
        sure(technology, claim, 1, 2, one_each(2))
        compare(technology, 2)
    finally:
        move_slot(slot, there, here, redis_cluster_ports)


def test_an_erased_generation_leaves_nothing_on_any_node(
    technology: RedisCluster, redis_cluster_ports: list[int]
) -> None:
    described = [technology.declare(storage(name)) for name in (COUNTS, RECORDS)]
    sure(technology, technology.claim(unit(), "a"), None, 1, one_each(1))
    for item in described:
        deleting = replace(item, state="deleting")
        assert technology.alter(item, deleting)
        technology.erase(deleting)
    for port in redis_cluster_ports:
        with redis.Redis(port=port, protocol=2) as client:
            assert [key for key in client.scan_iter(count=1_000) if b"{catalogue}" not in key] == []


async def test_the_users_of_the_docs_may_do_on_a_cluster_what_they_need(
    redis_cluster_url: str, redis_cluster_ports: list[int]
) -> None:
    hosts = redis_cluster_url.partition("//")[2]
    for port in redis_cluster_ports:
        for line in users():
            say(port, "ACL", "SETUSER", *line.split()[1:])
    try:
        worker = RedisCluster(f"redis+cluster://millrace_worker:{PASSWORD}@{hosts}")
        reader = RedisClusterReads(f"redis+cluster://millrace_reader:{PASSWORD}@{hosts}")
        with closing(worker):
            made = do_everything(worker)
        await read_everything(reader, made)
        await reader.close()
    finally:
        for port in redis_cluster_ports:
            say(port, "ACL", "DELUSER", "millrace_worker", "millrace_reader")


@pytest.mark.timeout(120)
def test_a_node_that_is_killed_comes_back_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    ports = free_ports(3)
    with (
        closing(Cluster(tmp_path, ports, DURABLE)) as cluster,
        closing(RedisCluster(cluster.url, timeout=5)) as technology,
    ):
        claim = technology.claim(unit(), "a")
        for number in range(len(ports)):  # the node of the state is one of them
            sure(technology, claim, number or None, number + 1, one_each(number + 1))
            cluster.kill(ports[number])
            with pytest.raises((StorageUnavailable, UnknownOutcome)):
                technology.claim(unit(), "b")
            cluster.restart(number)
            claim = technology.claim(unit(), "c")
            assert claim.next == number + 1
        compare(technology, len(ports))
