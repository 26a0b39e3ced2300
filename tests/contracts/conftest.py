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
from storage.postgresql import Postgresql
from storage.postgresql_reads import PostgresqlSource
from storage.redis import Redis
from storage.redis_cluster import RedisCluster
from storage.redis_cluster_reads import RedisClusterReads
from storage.redis_reads import RedisReads
from storage.relational import Relational
from storage.relational_reads import RelationalReads
from storage.sqlite import Sqlite
from storage.sqlite_reads import SqliteSource
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


def _memory(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    memory = Memory()
    return memory, MemoryReads(memory)


def _redis(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("redis_clean")
    return Redis(url, timeout=20), RedisReads(url, timeout=10)


def _redis_cluster(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("redis_cluster_url")
    return RedisCluster(url, timeout=20), RedisClusterReads(url, timeout=10)


def _sqlite(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = f"sqlite:///{request.getfixturevalue('tmp_path') / 'rows.db'}"
    return Relational(Sqlite(url, timeout=20)), RelationalReads(SqliteSource(url, timeout=10))


def _postgresql(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("postgresql_clean")
    return Relational(Postgresql(url, timeout=20)), RelationalReads(PostgresqlSource(url, timeout=10))


SERVERLESS = {"memory": _memory, "sqlite": _sqlite}
SERVERS = {"redis": _redis, "redis-cluster": _redis_cluster, "postgresql": _postgresql}


@pytest.fixture(params=[*SERVERLESS, *(pytest.param(name, marks=pytest.mark.server) for name in SERVERS)])
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    """An empty storage."""
    with asyncio.Runner() as runner:
        made = Sides(*{**SERVERLESS, **SERVERS}[request.param](request), runner)
        yield made
        runner.run(made.reads.close())
        made.technology.close()


@pytest.fixture
def technology(sides: Sides) -> Technology:
    """Where learners write."""
    return sides.technology
