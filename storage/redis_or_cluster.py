"""Redis by its url: one server, or a cluster of them."""

from __future__ import annotations

from storage.redis import Redis
from storage.redis_cluster import RedisCluster
from storage.redis_cluster_reads import RedisClusterReads
from storage.redis_reads import RedisReads
from storage.redis_slots import is_cluster
from storage.technology import Reads, Technology


def opened(address: str) -> Technology:
    """See `technologies.Kind`. A cluster's url is `redis+cluster://host:port,host:port`, with TLS `rediss+cluster`."""
    return RedisCluster(address) if is_cluster(address) else Redis(address)


def opened_reads(address: str) -> Reads:
    """See `technologies.Kind`; addresses are those of `opened`."""
    return RedisClusterReads(address) if is_cluster(address) else RedisReads(address)
