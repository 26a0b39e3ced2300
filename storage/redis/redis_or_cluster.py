"""Redis by its url: one server, or a cluster of them."""

from __future__ import annotations

from storage.redis.cluster import RedisCluster
from storage.redis.cluster_reads import RedisClusterReads
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from storage.redis.slots import is_cluster
from storage.technology import Reads, Technology


def opened(address: str) -> Technology:
    """See `kinds.Kind`. A cluster's url is `redis+cluster://host:port,host:port`, with TLS `rediss+cluster`."""
    return RedisCluster(address) if is_cluster(address) else Redis(address)


def opened_reads(address: str, room: int = 0) -> Reads:
    """See `kinds.Kind`; addresses are those of `opened`. Of a cluster nothing is kept near: a slot that moves takes its
    rows to another node, and what each node then says of them differs by its release."""
    return RedisClusterReads(address) if is_cluster(address) else RedisReads(address, room=room)
