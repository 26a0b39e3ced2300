"""Every technology, one after the other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from storage.alias import Name
from storage.cassandra.cassandra import Cassandra
from storage.cassandra.reads import CassandraReads
from storage.kinds import KINDS
from storage.memory.memory import Memory
from storage.memory.reads import MemoryReads
from storage.redis.cluster import RedisCluster
from storage.redis.cluster_reads import RedisClusterReads
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from storage.relational.postgresql import Postgresql
from storage.relational.postgresql_reads import PostgresqlSource
from storage.relational.reads import RelationalReads
from storage.relational.relational import Relational
from storage.relational.sqlite import Sqlite
from storage.relational.sqlite_reads import SqliteSource
from storage.search.index import index_of, rows_body
from storage.search.reads import SearchReads
from storage.search.search import Search
from storage.search.state import make
from storage.technologies import opened, opened_reads
from storage.technology import Reads, Technology
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.contracts.model import storage

T = TypeVar("T")


@dataclass
class Sides:
    """The two sides of one technology."""

    technology: Technology
    reads: Reads
    runner: asyncio.Runner
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _done: int = 0

    def ask(self, read: Coroutine[Any, Any, T]) -> T:
        """The answer, on one event loop for the whole test."""
        if isinstance(self.reads, NearReads):
            self.runner.run(self.reads.arrived())
        return self.runner.run(read)

    def tired(self, enough: Mapping[str, int]) -> bool:
        """Whether this technology, by its name, has done enough for one test."""
        self._done += 1
        return self._done > enough.get(self.technology.name, self._done)

    def searchable(self) -> None:
        """Wait until searches find what was committed: they do so a second later otherwise."""
        if isinstance(self.technology, DeclaringSearch):
            self.technology.refresh()

    def learner(self) -> str:
        """A name that nothing has been written under."""
        return f"learner_{next(self._numbers)}"


def holds(technology: Technology, *formats: str) -> bool:
    """Whether a technology can hold all of these."""
    return not KINDS[technology.name].refuses.keys() & set(formats)


def needs(technology: Technology, *formats: str, ability: str = "") -> None:
    """Go on only where the technology can hold these formats, and do that; `kinds.KINDS` says so."""
    kind = KINDS[technology.name]
    for format in formats:
        if why := kind.refuses.get(format):
            pytest.skip(f"{technology.name} refuses {format}: {why}")
    if why := kind.lacks.get(ability):
        pytest.skip(f"{technology.name} lacks {ability}: {why}")


class DeclaringSearch(Search):
    """The suite commits to storages that it has not declared: it makes their indices, as a declaration would."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout)
        self._made: set[tuple[str, str, int]] = set()

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        unit = claim.unit
        for name in {address.storage for address in writes.puts}:
            if (name, unit.learner, unit.generation) not in self._made:
                descriptor = storage(name, unit.learner, generation=unit.generation)
                make(self._client, index_of(unit, name), rows_body(descriptor))
                self._made.add((name, unit.learner, unit.generation))
        return super().commit(claim, expected, new, writes, watermark_ms)

    def refresh(self) -> None:
        """Let searches find all that was committed."""
        self._client.indices.refresh(index="millrace-*")


def pointed(sides: Sides) -> dict[Name, int]:
    """Which version each name stands for, as readers are told."""
    aliases = sides.ask(sides.reads.listed()).aliases
    assert aliases == sides.technology.aliases()
    return {name: alias.version for name, alias in aliases.items()}


def _memory(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    memory = Memory()
    return memory, MemoryReads(memory)


def _redis(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("redis_clean")
    return Redis(url, timeout=20), RedisReads(url, timeout=10)


class NearReads(RedisReads):
    """Redis with what is kept near; exact once Redis's messages of what has changed have arrived."""

    async def arrived(self) -> None:
        """Its answer comes after them."""
        await self.source.connection().call(("PING",))


def _redis_near(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("redis_clean")
    return Redis(url, timeout=20), NearReads(url, timeout=10, room=10_000_000)


def _redis_cluster(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("redis_cluster_url")
    return RedisCluster(url, timeout=20), RedisClusterReads(url, timeout=10)


def _sqlite(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = f"sqlite:///{request.getfixturevalue('tmp_path') / 'rows.db'}"
    return Relational(Sqlite(url, timeout=20)), RelationalReads(SqliteSource(url, timeout=10))


def _postgresql(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("postgresql_clean")
    return Relational(Postgresql(url, timeout=20)), RelationalReads(PostgresqlSource(url, timeout=10))


def _cassandra(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("cassandra_clean")
    return Cassandra(url, timeout=20), CassandraReads(url, timeout=10)


def _search(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
    url = request.getfixturevalue("search_clean")
    return DeclaringSearch(url, timeout=20), SearchReads(url, timeout=10)


Maker = Callable[[pytest.FixtureRequest], tuple[Technology, Reads]]
COVERED = ("memory", "redis", "relational", "cassandra", "search")


def _new(name: str) -> Maker:
    """Of a technology that has no fixture of its own yet: its address is a folder."""

    def made(request: pytest.FixtureRequest) -> tuple[Technology, Reads]:
        address = f"{name}://{request.getfixturevalue('tmp_path')}"
        return opened(name, address), opened_reads(name, address)

    return made


SERVERLESS: dict[str, Maker] = {"memory": _memory, "sqlite": _sqlite}
SERVERLESS |= {name: _new(name) for name in KINDS if name not in COVERED}
READ = ("test_reads", "test_formats", "test_leases", "test_windows")
"""What a technology whose reads alone are others is held to."""
SERVERS = {
    "redis": _redis,
    "redis-near": _redis_near,
    "redis-cluster": _redis_cluster,
    "postgresql": _postgresql,
    "cassandra": _cassandra,
    "search": _search,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Redis with what is kept near differs from Redis in its reads alone."""
    items[:] = [item for item in items if "[redis-near" not in item.name or item.path.stem in READ]


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
