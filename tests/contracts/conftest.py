"""Every technology, one after the other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from storage.alias import Name
from storage.memory import Memory
from storage.memory_reads import MemoryReads
from storage.redis import Redis
from storage.redis_cluster import RedisCluster
from storage.redis_cluster_reads import RedisClusterReads
from storage.redis_reads import RedisReads
from storage.technology import Reads, Technology

T = TypeVar("T")


@dataclass
class Sides:
    """The two sides of one technology."""

    technology: Technology
    reads: Reads
    runner: asyncio.Runner
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def ask(self, read: Coroutine[Any, Any, T]) -> T:
        """The answer, on one event loop for the whole test."""
        return self.runner.run(read)

    def learner(self) -> str:
        """A name that nothing has been written under."""
        return f"learner_{next(self._numbers)}"


def pointed(sides: Sides) -> dict[Name, int]:
    """Which version each name stands for, as readers are told."""
    aliases = sides.ask(sides.reads.aliases())
    assert aliases == sides.technology.aliases()
    return {name: alias.version for name, alias in aliases.items()}


@pytest.fixture(
    params=["memory", *(pytest.param(name, marks=pytest.mark.server) for name in ("redis", "redis-cluster"))]
)
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    """An empty storage."""
    with asyncio.Runner() as runner:
        if request.param == "memory":
            memory = Memory()
            made = Sides(memory, MemoryReads(memory), runner)
        elif request.param == "redis-cluster":
            url = request.getfixturevalue("redis_cluster_url")
            made = Sides(RedisCluster(url, timeout=20), RedisClusterReads(url, timeout=10), runner)
        else:
            url = request.getfixturevalue("redis_clean")
            made = Sides(Redis(url, timeout=20), RedisReads(url, timeout=10), runner)
        yield made
        runner.run(made.reads.close())
        made.technology.close()


@pytest.fixture
def technology(sides: Sides) -> Technology:
    """Where learners write."""
    return sides.technology
