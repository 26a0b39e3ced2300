"""Events that an HTTP client sends twice have the same ids, whoever takes them, so that a learner drops the second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from learners import EventLearner, Replay, stream
from schemas import Event, EventType
from serving import Events, event_lines
from storage import Counters
from tests.serving.shop import Shop

NDJSON = {"content-type": "application/x-ndjson"}


class Sale(Event, topic="sales", key="shop", id="receipt"):
    """Something was sold."""

    shop: str
    amount: int
    receipt: str | None = None


class Turnover(EventLearner[Sale]):
    """What each shop has sold."""

    sales = stream("sales", drop_repeats=1_000)
    turnover = Counters("turnover")

    def learn(self, event: Sale) -> None:
        self.turnover.add_one("all", event.shop, event.amount)


BODY = b'{"shop": "s1", "amount": 1}\n{"shop": "s1", "amount": 1}\n{"shop": "s2", "amount": 4, "receipt": "mine"}'


def posted(body: bytes, *keys: str | None, event_type: EventType = Sale.event_type) -> list[Mapping[str, Any]]:
    """What Kafka has when a body was posted under each of these keys, each time to another replica."""
    found: list[Mapping[str, Any]] = []

    async def post(key: str | None) -> httpx.Response:
        shop = Shop()
        events = Events({"sales": event_type}, shop.kafka, shop.kafka)
        async with shop.running(shop.service(events=events)) as client:
            headers = NDJSON if key is None else {**NDJSON, "idempotency-key": key}
            answer = await client.post("/events/sales", content=body, headers=headers)
        found.extend(value for _, value in shop.kafka.delivered)
        return answer

    for key in keys:
        assert asyncio.run(post(key)).status_code == 202
    return found


def test_a_learner_counts_once_what_was_sent_twice_and_each_of_two_equal_lines() -> None:
    replay = Replay([Turnover], {"sales": Sale.event_type})
    replay.fold("sales", [Sale(**value) for value in posted(BODY, "k1", "k1")])
    assert dict(replay.frames()["turnover"].select("field", "value").iter_rows()) == {"s1": 2, "s2": 4}


def test_another_key_or_another_body_gives_other_ids_and_an_own_id_stays() -> None:
    ids = [value["receipt"] for value in posted(BODY, "k1", "k2")]
    assert len(set(ids)) == 5
    assert ids.count("mine") == 2
    other = posted(BODY.replace(b"1}", b"2}"), "k1")
    assert not {value["receipt"] for value in other if value["receipt"] != "mine"} & set(ids)


def test_without_a_key_an_event_has_the_id_that_its_client_gave_or_none() -> None:
    assert [value["receipt"] for value in posted(BODY, None)] == [None, None, "mine"]


def test_an_id_that_is_no_text_is_left_to_the_client() -> None:
    schema = json.loads(json.dumps(Sale.event_type.schema).replace('["null", "string"]', '["null", "long"]'))
    assert [
        value["receipt"] for value in posted(BODY.splitlines()[0], "k1", event_type=EventType("sales", schema))
    ] == [None]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [(b"1\n" * 50_002, 413, "too-many-lines"), (b'{"shop": "%s"}\n1' % (b"s" * 1_000_000), 400, "wrong-event")],
)
async def test_lines_have_limits(body: bytes, status: int, kind: str) -> None:
    shop = Shop()
    async with shop.running() as client:
        answer = await client.post("/events/clicks", content=body, headers=NDJSON)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:millrace:problem:{kind}")
    if status == 400:
        assert (answer.json()["errors"][0]["line"], answer.json()["wrong"]) == (1, 2)
        assert f"{event_lines.LONGEST_LINE:,} are taken" in answer.json()["errors"][0]["detail"]
