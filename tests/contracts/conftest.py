"""Every technology, one after the other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from storage.alias import Name
from storage.memory import Memory
from storage.memory_reads import MemoryReads
from storage.postgresql import Postgresql
from storage.postgresql_reads import PostgresqlSource
from storage.redis import Redis
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


TECHNOLOGIES = ["memory", "redis", "sqlite", "postgresql"]


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.server] * (name in ("redis", "postgresql"))) for name in TECHNOLOGIES]
)
def sides(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    """An empty storage."""
    with asyncio.Runner() as runner:
        made = Sides(*_opened(request, tmp_path), runner)
        yield made
        runner.run(made.reads.close())
        made.technology.close()


def _opened(request: pytest.FixtureRequest, folder: Path) -> tuple[Technology, Reads]:
    if request.param == "memory":
        memory = Memory()
        return memory, MemoryReads(memory)
    if request.param == "redis":
        url = request.getfixturevalue("redis_clean")
        return Redis(url, timeout=20), RedisReads(url, timeout=10)
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'rows.db'}"
        return Relational(Sqlite(url, timeout=20)), RelationalReads(SqliteSource(url, timeout=10))
    url = request.getfixturevalue("postgresql_clean")
    return Relational(Postgresql(url, timeout=20)), RelationalReads(PostgresqlSource(url, timeout=10))


@pytest.fixture
def technology(sides: Sides) -> Technology:
    """Where learners write."""
    return sides.technology
