"""Events that are taken while Kafka is away: on disk before they are acknowledged, and then in Kafka in their order."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas import EventType
from schemas.errors import MillraceError, RegistryUnavailable
from serving import Events, Spool, spooled_deliverer
from streams.errors import DeliveryFailed, TopicMissing
from tests.serving.shop import Click, Kafka, Shop

NDJSON = {"content-type": "application/x-ndjson"}


class Away(Kafka):
    """Kafka that takes what it is given when it is there; until then tries wait, as a patient producer's do."""

    def __init__(self) -> None:
        super().__init__()
        self.there = asyncio.Event()
        self.refused: set[str] = set()

    async def deliver(self, event_type: EventType, values: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
        await self.there.wait()
        if any(value["item"] in self.refused for value in values):
            raise DeliveryFailed("Kafka did not acknowledge 1 of 1 event.") from MillraceError("too large")
        return await super().deliver(event_type, values)


def spool(folder: Path, limit: int = 1_000_000) -> Spool:
    return Spool(folder, limit, durable=True, holds="bodies of events")


@asynccontextmanager
async def serving(kafka: Away, kept: Spool) -> AsyncIterator[httpx.AsyncClient]:
    shop = Shop()
    shop.kafka = kafka
    events = Events({"clicks": Click.event_type}, kafka, kafka, kept)
    async with shop.running(shop.service(events=events)) as client:
        yield client


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled_deliverer, "PATIENCE", 0.05)
    monkeypatch.setattr(spooled_deliverer, "PAUSE", 0.01)


@pytest.fixture
async def kafka() -> Away:
    return Away()


def clicks(*items: str) -> bytes:
    return b"\n".join(json.dumps({"user": "u1", "item": item, "at": "2026-11-24T12:00:00Z"}).encode() for item in items)


async def post(client: httpx.AsyncClient, *items: str) -> httpx.Response:
    return await client.post("/events/clicks", content=clicks(*items), headers=NDJSON)


async def arrived(kafka: Away, count: int) -> list[str]:
    """The items that Kafka has, once it has so many."""
    async with asyncio.timeout(20):
        while len(kafka.delivered) < count:
            await asyncio.sleep(0.005)
    return [value["item"] for _, value in kafka.delivered]


async def straight(client: httpx.AsyncClient, item: str) -> None:
    """Until a body goes straight to Kafka again."""
    async with asyncio.timeout(20):
        while not (await post(client, item)).json()["positions"]:
            await asyncio.sleep(0.005)


async def test_while_kafka_is_away_events_are_taken_onto_disk_and_sent_in_order_when_it_is_back(
    kafka: Away, tmp_path: Path
) -> None:
    kafka.there.set()
    async with serving(kafka, spool(tmp_path)) as client:
        await straight(client, "i0")
        kafka.there.clear()
        kafka.delivered.clear()
        first = await asyncio.gather(post(client, "i1", "i2"), post(client, "i3"))
        later = await post(client, "i4")
        assert [answer.status_code for answer in (*first, later)] == [202] * 3
        assert [answer.json() for answer in (*first, later)] == [{"positions": [], "spooled": n} for n in (2, 1, 1)]
        assert "millrace_events_spool_bytes 0" not in (await client.get("/metrics")).text

        kafka.there.set()
        await straight(client, "i5")
        items = [value["item"] for _, value in kafka.delivered]
        assert items == ["i1", "i2", "i3", "i4", *["i5"] * (len(items) - 4)]  # a first try that arrives is the only one
        assert "millrace_events_spool_bytes 0" in (await client.get("/metrics")).text


async def test_events_on_disk_are_counted_and_again_when_kafka_has_them(kafka: Away, tmp_path: Path) -> None:
    async with serving(kafka, spool(tmp_path)) as client:
        await post(client, "i1", "i2")
        assert 'millrace_events_spooled_total{topic="clicks"} 2' in (await client.get("/metrics")).text
        kafka.there.set()
        await straight(client, "i3")
        text = (await client.get("/metrics")).text
    assert f'millrace_events_accepted_total{{topic="clicks"}} {len(kafka.delivered)}' in text


async def test_nothing_is_acknowledged_before_it_is_forced_onto_the_disk(
    kafka: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[int] = []
    fsync = os.fsync

    def noted(file: int) -> None:
        forced.append(os.fstat(file).st_size)
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    async with serving(kafka, spool(tmp_path)) as client:
        await post(client, "i1")
        assert forced[-1] == sum(path.stat().st_size for path in (tmp_path / "0").glob("*.spool"))

        def broken(file: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", broken)
        refused = await post(client, "i2")
        monkeypatch.setattr(os, "fsync", fsync)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_what_a_service_has_left_is_sent_first_by_the_next_one(kafka: Away, tmp_path: Path) -> None:
    kafka.there.set()
    async with serving(kafka, spool(tmp_path)) as client:
        await straight(client, "i0")
        kafka.there.clear()
        await asyncio.gather(post(client, "i1"), post(client, "i2"))
    following = Away()
    async with serving(following, spool(tmp_path)) as client:
        assert (await post(client, "i3")).json()["spooled"] == 1
        following.there.set()
        assert await arrived(following, 3) == ["i1", "i2", "i3"]
    async with serving(Away(), spool(tmp_path)) as client:
        assert (await client.get("/metrics")).text.count("millrace_events_spool_bytes 0\n") == 1


async def test_a_full_spool_refuses_with_when_to_come_back_and_keeps_what_it_has(kafka: Away, tmp_path: Path) -> None:
    async with serving(kafka, spool(tmp_path, limit=2_000)) as client:
        answers = [await post(client, f"i{number}") for number in range(40)]
        taken = [answer.status_code for answer in answers].index(503)
        assert taken > 3
        assert answers[-1].headers["retry-after"] == "1"
        assert "no room to keep these events" in answers[-1].json()["detail"]
        kafka.there.set()
        assert (await arrived(kafka, taken))[:taken] == [f"i{number}" for number in range(taken)]


async def test_what_never_fits_is_kept_as_dead_letters_and_holds_nothing_up(kafka: Away, tmp_path: Path) -> None:
    async with serving(kafka, spool(tmp_path)) as client:
        for item in ("i1", "huge", "i2"):
            await post(client, item)
        following = Away()
        following.refused.add("huge")
        following.there.set()
    async with serving(following, spool(tmp_path)):
        assert await arrived(following, 2) == ["i1", "i2"]
    [(topic, letter)] = following.letters
    assert (topic, letter.value, "too large" in letter.reason or letter.error) == (
        "clicks",
        clicks("huge"),
        "DeliveryFailed",
    )


async def test_a_wrong_line_is_refused_while_kafka_is_away_too(kafka: Away, tmp_path: Path) -> None:
    async with serving(kafka, spool(tmp_path)) as client:
        await post(client, "i1")
        answer = await client.post("/events/clicks", content=clicks("i2") + b"\n{}", headers=NDJSON)
    assert (answer.status_code, answer.json()["errors"][0]["line"]) == (400, 2)


@pytest.mark.parametrize("cause", [None, TopicMissing("clicks")])
async def test_a_topic_that_is_missing_sends_no_other_to_the_disk(
    kafka: Away, tmp_path: Path, cause: MillraceError | None
) -> None:
    kafka.there.set()
    async with serving(kafka, spool(tmp_path)) as client:
        await straight(client, "i0")
        kafka.failure = (
            TopicMissing("clicks") if cause is None else DeliveryFailed("Kafka did not acknowledge 1 event.")
        )
        kafka.failure.__cause__ = cause
        refused = await post(client, "i1")
        kafka.failure = None
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await post(client, "i2")).json()["positions"]


async def test_a_registry_that_is_away_is_no_reason_to_refuse_events(
    kafka: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.there.set()
    kafka.failure = RegistryUnavailable("away")
    async with serving(kafka, spool(tmp_path)) as client:
        assert (await post(client, "i1")).json() == {"positions": [], "spooled": 1}
        kafka.failure = None
        assert await arrived(kafka, 1) == ["i1"]
