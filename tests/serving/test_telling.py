"""A service tells which implementation answers from which storage, again when that changes, and when Kafka is back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from schemas.readers import Readers, Reading, readings_of
from serving import telling
from serving.measurements import EndpointFacts, ImplementationFacts
from serving.telling import Telling, readings
from tests.away_table import AwayTable
from tests.waiting import until_async


def facts(*reads: str) -> list[EndpointFacts]:
    return [EndpointFacts("recommend", 0.05, (ImplementationFacts("popular", reads=reads), ImplementationFacts("new")))]


def test_storages_are_told_without_their_versions() -> None:
    found = readings(facts("redis/ranking/popular@3", "redis/ranking/popular@2", "redis/vectors/items@1"))
    assert found == [
        Reading("recommend", "popular", ("redis/ranking/popular", "redis/vectors/items")),
        Reading("recommend", "new"),
    ]


async def test_what_is_new_is_told_and_kafka_may_be_away_meanwhile(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(telling, "LOOK", 0.01)
    table, now = AwayTable(), facts("redis/ranking/popular@1")
    readers = Readers(table)
    table.away = True
    task = asyncio.create_task(Telling(readers, "shop").run(lambda: now))
    await until_async(partial(_said, caplog))
    table.away = False
    await until_async(partial(_told, readers, "redis/ranking/popular"))
    now = facts("redis/ranking/other@1")
    await until_async(partial(_told, readers, "redis/ranking/other"))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _said(caplog: pytest.LogCaptureFixture) -> bool:
    return "not told to others yet: no broker answered" in caplog.text


async def _told(readers: Readers, storage: str) -> bool:
    return [item.storages for item in readings_of(readers.documents())] == [(storage,), ()]
