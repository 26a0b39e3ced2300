"""A Redis Cluster whose slots move, and whose nodes are not all named."""

from __future__ import annotations

import asyncio

import pytest
from redis.crc import key_slot

from benchmarks.prove_storage.redis_cluster import move_slot
from storage.address import Address
from storage.errors import StorageUnavailable
from storage.redis.cluster import RedisCluster
from storage.redis.cluster_reads import RedisClusterReads
from storage.redis.keys import Keys
from storage.redis.nodes import Nodes
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, storage, unit

ONE = Writes(sums={Address(COUNTS, "all"): {"x": 1}})


def owner(address: str, ports: list[int]) -> tuple[int, int]:
    """The port that has the slot of the unit's state, and another one."""
    url = Nodes(address, 5.0).url(Keys.of(unit()).units)
    mine = next(port for port in ports if f":{port}" in url)
    return mine, next(port for port in ports if port != mine)


async def counted(reads: RedisClusterReads) -> dict[str, int]:
    return (await reads.sums(storage(COUNTS), ["all"]))[0]


def test_a_slot_moves_between_two_commits_and_nothing_is_lost_or_doubled(
    redis_cluster_url: str, redis_cluster_ports: list[int]
) -> None:
    technology = RedisCluster(redis_cluster_url)
    reads = RedisClusterReads(redis_cluster_url)
    slot = key_slot(Keys.of(unit()).units.encode())
    with asyncio.Runner() as runner:
        claim = technology.claim(unit(), "a")
        assert technology.commit(claim, None, 1, ONE, None) is Outcome.OK
        assert runner.run(counted(reads)) == {"x": 1}
        here, there = owner(redis_cluster_url, redis_cluster_ports)
        move_slot(slot, here, there, redis_cluster_ports)
        try:
            assert runner.run(counted(reads)) == {"x": 1}, "the reader has not followed the slot"
            with pytest.raises(StorageUnavailable):  # it learns of the move by a refusal, which changes nothing
                technology.commit(claim, 1, 2, ONE, None)
            assert technology.commit(claim, 1, 2, ONE, None) is Outcome.OK
            assert technology.commit(claim, 1, 2, ONE, None) is Outcome.ALREADY
            assert runner.run(counted(reads)) == {"x": 2}
        finally:
            move_slot(slot, there, here, redis_cluster_ports)
            runner.run(reads.close())
            technology.close()


def test_one_node_is_enough_to_find_the_others(redis_cluster_ports: list[int], redis_cluster_url: str) -> None:
    for port in redis_cluster_ports:
        technology = RedisCluster(f"redis+cluster://127.0.0.1:{port}")
        technology.declare(storage(COUNTS))
        assert [item.storage for item in technology.storages()] == [COUNTS]
        technology.close()


def test_a_cluster_that_is_closed_or_away_says_so() -> None:
    technology = RedisCluster("redis+cluster://user:hidden@127.0.0.1:1,127.0.0.1:2", timeout=0.5)
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:2") as refused:
        technology.storages()
    assert "hidden" not in str(refused.value)
    technology.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        technology.storages()
