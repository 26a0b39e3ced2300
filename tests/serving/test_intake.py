"""Events over HTTP: acknowledged when Kafka has them, refused whole, and a wrong line is named and kept."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from schemas import EventType
from schemas.errors import MillraceError, RegistryUnavailable
from serving import intake
from tests.serving.shop import Shop

CLICK = {"user": "u1", "item": "i1", "at": "2026-11-24T12:00:00Z"}
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
async def shop() -> Shop:
    return Shop()


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with shop.running() as client:
        yield client


def lines(*events: object) -> bytes:
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in events)


async def test_an_event_is_taken_and_its_position_named(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.post("/events/clicks", json=CLICK)

    assert answer.status_code == 202
    assert answer.json() == {"positions": [{"topic": "clicks", "partition": 0, "offset": 0}]}
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert shop.kafka.delivered == [("clicks", {"user": "u1", "item": "i1", "at": noon, "decision": None})]


async def test_json_over_several_lines_is_one_event(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.post("/events/clicks", content=json.dumps(CLICK, indent=2).encode())
    assert (answer.status_code, len(shop.kafka.delivered)) == (202, 1)


async def test_many_events_come_one_per_line(client: httpx.AsyncClient, shop: Shop) -> None:
    body = lines(*({**CLICK, "item": f"i{number}"} for number in range(250))) + b"\r\n\n"
    answer = await client.post("/events/clicks", content=body, headers=NDJSON)

    assert answer.status_code == 202
    assert [position["offset"] for position in answer.json()["positions"]] == list(range(250))
    assert [value["item"] for _, value in shop.kafka.delivered] == [f"i{number}" for number in range(250)]


async def test_a_wrong_line_is_named_with_number_and_field_and_nothing_of_the_body_is_sent(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    body = lines(CLICK, {**CLICK, "item": 7}, b"", {"user": "u2"}, b"{", CLICK)
    answer = await client.post("/events/clicks", content=body, headers=NDJSON)

    problem = answer.json()
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(item["line"], item["field"]) for item in problem["errors"]] == [(2, "item"), (4, "item"), (5, None)]
    assert problem["detail"].startswith("3 of 5 events for clicks cannot be taken, and nothing was sent. line 2: Field")
    assert shop.kafka.delivered == []


async def test_a_wrong_field_is_named_whatever_its_name(client: httpx.AsyncClient) -> None:
    for name in ("of the event", "a: b"):
        problem = (await client.post("/events/clicks", json={**CLICK, name: 1})).json()
        assert [item["field"] for item in problem["errors"]] == [name]


async def test_wrong_lines_are_kept_with_their_bytes_and_good_ones_are_not(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    wrong = b'{"user": 1, "item": "i1"}'
    await client.post("/events/clicks", content=lines(CLICK, wrong), headers=NDJSON)

    [(topic, line)] = shop.kafka.letters
    assert (topic, line.number, line.value, line.error) == ("clicks", 2, wrong, "MalformedEvent")
    assert "user" in line.reason


async def test_wrong_lines_that_cannot_be_kept_are_named_all_the_same(client: httpx.AsyncClient, shop: Shop) -> None:
    shop.kafka.failure = MillraceError("Kafka is away")
    answer = await client.post("/events/clicks", json={})
    assert (answer.status_code, answer.json()["dead_letters"]) == (400, False)


async def test_letters_that_nobody_takes_hold_up_no_other_work(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Kafka is away keeping takes half a minute, and asyncio has few threads for all of the service."""
    monkeypatch.setattr(intake, "PATIENCE", 0.05)
    release, begun = threading.Event(), 0

    def away(topic: str, wrong: object) -> None:
        nonlocal begun
        begun += 1
        release.wait(60)

    monkeypatch.setattr(shop.kafka, "keep", away)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    answers = await asyncio.gather(*(client.post("/events/clicks", json={}) for _ in range(3)))
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 30) == "free"
    finally:
        release.set()
    assert [answer.json()["dead_letters"] for answer in answers] == [False] * 3
    assert begun == 1


async def test_of_very_many_wrong_lines_the_first_are_named_and_all_are_counted(client: httpx.AsyncClient) -> None:
    answer = await client.post("/events/clicks", content=b"{}\n" * 1000, headers=NDJSON)
    assert (len(answer.json()["errors"]), answer.json()["wrong"]) == (intake.NAMED, 1000)


async def test_nothing_is_acknowledged_that_kafka_did_not(client: httpx.AsyncClient, shop: Shop) -> None:
    shop.kafka.failure = MillraceError("Kafka did not acknowledge 1 of 1 event.")
    answer = await client.post("/events/clicks", json=CLICK)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "Kafka did not acknowledge" in answer.json()["detail"]


async def test_a_registry_that_is_away_is_not_the_clients_fault(client: httpx.AsyncClient, shop: Shop) -> None:
    shop.kafka.failure = RegistryUnavailable("The registry does not answer.")
    assert (await client.post("/events/clicks", json=CLICK)).status_code == 503


async def test_an_acknowledgement_that_does_not_come_is_not_waited_for_without_end(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(event_type: EventType, values: object) -> list[tuple[int, int]]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(intake, "PATIENCE", 0.02)
    monkeypatch.setattr(shop.kafka, "deliver", never)
    answer = await client.post("/events/clicks", json=CLICK)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:millrace:problem:not-acknowledged")


async def test_an_unknown_topic_is_not_found_and_the_known_ones_are_listed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/events/clacks", json=CLICK)
    assert (answer.status_code, answer.json()["known"]) == (404, ["clicks"])


@pytest.mark.parametrize("body", [b"", b"\n \n"])
async def test_a_body_without_an_event_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/events/clicks", content=body, headers=NDJSON)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:millrace:problem:no-event")


async def test_a_body_above_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/events/clicks", content=b" " * (intake.LIMIT + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("depth", [40, 100_000])
async def test_an_event_that_is_nested_too_deep_is_a_wrong_line(client: httpx.AsyncClient, depth: int) -> None:
    answer = await client.post("/events/clicks", content=b"[" * depth + b"]" * depth, headers=NDJSON)
    assert (answer.status_code, answer.json()["errors"][0]["line"]) == (400, 1)


async def test_others_are_answered_while_a_long_body_is_checked(client: httpx.AsyncClient) -> None:
    body = lines(*([CLICK] * 2000))
    order: list[str] = []

    async def emit() -> None:
        await client.post("/events/clicks", content=body, headers=NDJSON)
        order.append("emitted")

    async def look() -> None:
        await client.get("/healthz")
        order.append("alive")

    await asyncio.gather(emit(), look())
    assert order == ["alive", "emitted"]


async def test_events_are_counted_by_topic(client: httpx.AsyncClient) -> None:
    await client.post("/events/clicks", json=CLICK)
    await client.post("/events/clicks", json={})
    text = (await client.get("/metrics")).text
    assert 'millrace_events_accepted_total{topic="clicks"} 1' in text
    assert 'millrace_events_refused_total{topic="clicks"} 1' in text


async def test_a_body_that_is_sent_again_under_its_key_is_delivered_once(client: httpx.AsyncClient, shop: Shop) -> None:
    answers = [await client.post("/events/clicks", json=CLICK, headers={"idempotency-key": "k1"}) for _ in range(3)]
    assert [answer.json()["positions"][0]["offset"] for answer in answers] == [0, 0, 0]
    assert len(shop.kafka.delivered) == 1

    await client.post("/events/clicks", json={**CLICK, "item": "i2"}, headers={"idempotency-key": "k1"})
    await client.post("/events/clicks", json=CLICK, headers={"idempotency-key": "k2"})
    assert len(shop.kafka.delivered) == 3


async def test_a_body_that_kafka_is_slow_to_take_is_not_sent_twice(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged, deliver = asyncio.Event(), shop.kafka.deliver

    async def slowly(*sent: Any) -> list[tuple[int, int]]:
        await acknowledged.wait()
        return await deliver(*sent)

    monkeypatch.setattr(shop.kafka, "deliver", slowly)
    monkeypatch.setattr(intake, "PATIENCE", 0.01)
    first = await client.post("/events/clicks", json=CLICK, headers={"idempotency-key": "k1"})
    acknowledged.set()
    monkeypatch.setattr(intake, "PATIENCE", 10.0)
    second = await client.post("/events/clicks", json=CLICK, headers={"idempotency-key": "k1"})

    assert (first.status_code, second.status_code, len(shop.kafka.delivered)) == (503, 202, 1)


async def test_a_body_that_failed_is_sent_anew_under_the_same_key(client: httpx.AsyncClient, shop: Shop) -> None:
    shop.kafka.failure = RegistryUnavailable("away")
    first = await client.post("/events/clicks", json=CLICK, headers={"idempotency-key": "k1"})
    shop.kafka.failure = None
    second = await client.post("/events/clicks", json=CLICK, headers={"idempotency-key": "k1"})
    assert (first.status_code, second.status_code, len(shop.kafka.delivered)) == (503, 202, 1)
