"""A store that is away is not waited for: by given times, and over reads that fail, hang and come back."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest

from storage import Catalogue, Memory, MemoryReads, Ranking, RankingReader, StorageUnavailable
from storage import breaker as rule
from storage.breaker import FAILURES, PATIENCE, Breaker
from storage.breaking import breaking
from storage.descriptor import Descriptor
from storage.listed import Listed
from storage.technologies import opened_reads
from storage.technology import Reads


def failed(breaker: Breaker, times: list[float]) -> list[bool]:
    return [breaker.failed(time) for time in times]


def test_some_failures_in_a_row_over_a_while_open_it_once() -> None:
    breaker = Breaker()
    assert failed(breaker, [0.0, 0.1, 0.2, 0.3, 0.4]) == [False] * FAILURES
    assert failed(breaker, [PATIENCE, PATIENCE + 1]) == [True, False]
    assert breaker.open


def test_few_failures_do_not_open_it_however_long_it_takes() -> None:
    breaker = Breaker()
    assert not any(failed(breaker, [0.0, 100.0, 200.0, 300.0]))
    assert breaker.failed(400.0)


def test_one_answer_among_them_keeps_it_closed() -> None:
    breaker = Breaker()
    for start in range(10):
        failed(breaker, [start * 10 + step / 10 for step in range(9)])
        assert not breaker.answered()
    assert not breaker.open


def test_an_answer_closes_it_and_it_begins_anew() -> None:
    breaker = Breaker()
    failed(breaker, [0.0, 0.0, 0.0, 0.0, 2.0])
    assert breaker.answered()
    assert not breaker.answered()
    assert not any(failed(breaker, [2.0, 2.1, 2.2, 2.3]))


class Store(MemoryReads):
    """Answers, fails or hangs, and counts how often it was asked for rows."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.state, self.asked = "there", 0

    async def scores(self, *of: object) -> object:  # type: ignore[override]
        self.asked += 1
        await self._way()
        return await super().scores(*of)  # type: ignore[arg-type]

    async def listed(self) -> Listed:
        await self._way()
        return await super().listed()

    async def _way(self) -> None:
        if self.state == "away":
            raise StorageUnavailable("nobody is there")
        if self.state == "hangs":
            await asyncio.Event().wait()


@pytest.fixture
def store() -> Store:
    memory = Memory()
    memory.point([memory.declare(Ranking("popular", technology="memory").describe("popular", 1, 1, "clicks"))])
    return Store(memory)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "PATIENCE", 0.0)


async def ask(reader: RankingReader) -> bool:
    """Whether there was an answer within a deadline."""
    try:
        async with asyncio.timeout(0.05):
            await reader.score("all", "a")
    except (StorageUnavailable, TimeoutError):
        return False
    return True


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("state", ["away", "hangs"])
async def test_while_a_store_is_away_it_is_read_no_more_until_it_answers_the_catalogue(
    store: Store, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = Catalogue({"memory": breaking("memory", cast(Reads, store))})
    await catalogue.refresh()
    one, other = (catalogue.reader(RankingReader, "popular") for _ in range(2))
    assert await ask(one)
    store.state = state
    with caplog.at_level(logging.WARNING):
        for _ in range(FAILURES):
            assert not await ask(one)
        asked = store.asked
        for _ in range(10):
            with pytest.raises(StorageUnavailable, match="memory does not answer"):
                await other.score("all", "a")
        assert store.asked == asked
        await catalogue.refresh(0.05)
        assert not await ask(other)
        store.state = "there"
        assert not await ask(other)
        await catalogue.reads("memory").listed()
        assert await ask(one)
        assert await ask(other)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["memory does not answer; reads of it fail at once until it does.", "memory answers again."]


@pytest.mark.usefixtures("quick")
async def test_an_error_about_the_question_is_an_answer(store: Store) -> None:
    reads = breaking("memory", cast(Reads, store))
    missing = Descriptor("memory", "ranking", "none", 1, "x@1", 1, "clicks", {}, None, "2026-11-24T08:00:00Z")
    for _ in range(3 * FAILURES):
        with pytest.raises(Exception, match=r".") as raised:
            await reads.rows(missing, 1)  # type: ignore[arg-type]
        assert not isinstance(raised.value, StorageUnavailable)
    assert await reads.listed()


def test_redis_needs_none_as_its_connection_is_one() -> None:
    assert type(opened_reads("redis", "redis://127.0.0.1:1/0")).__name__ == "RedisReads"
    assert type(opened_reads("relational", "sqlite:///none.db")).__name__ == "_Breaking"
