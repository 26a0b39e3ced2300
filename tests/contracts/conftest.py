"""Every technology, one after the other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
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
from storage.search import Search
from storage.search_index import index_of, rows_body
from storage.search_reads import SearchReads
from storage.search_state import make
from storage.technologies import KINDS
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
    searchable: Callable[[], None] = lambda: None
    """Wait until what was committed is found by searches, which may take a second."""
    examples: int = 150
    """So many histories are worth their time."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def ask(self, read: Coroutine[Any, Any, T]) -> T:
        """The answer, on one event loop for the whole test."""
        return self.runner.run(read)

    def learner(self) -> str:
        """A name that nothing has been written under."""
        return f"learner_{next(self._numbers)}"


def holds(technology: Technology, *formats: str) -> bool:
    """Whether a technology can hold all of these."""
    return not KINDS[technology.name].refuses.keys() & set(formats)


def needs(technology: Technology, *formats: str, ability: str = "") -> None:
    """Go on only where the technology can hold these formats, and do that; `technologies.KINDS` says so."""
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
    aliases = sides.ask(sides.reads.aliases())
    assert aliases == sides.technology.aliases()
    return {name: alias.version for name, alias in aliases.items()}


@pytest.fixture(
    params=["memory", *(pytest.param(name, marks=pytest.mark.server) for name in ("redis", "redis-cluster", "search"))]
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
        elif request.param == "search":
            url = request.getfixturevalue("search_clean")
            search = DeclaringSearch(url, timeout=20)
            made = Sides(search, SearchReads(url, timeout=10), runner, search.refresh, examples=30)
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
