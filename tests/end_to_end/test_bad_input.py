"""Bad input loses nothing and stops nothing: it is kept with bytes, place and reason, the good around it is learned."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from benchmarks.prove_loop.stage import Stage
from schemas import Codec, wire
from streams import Rejected
from streams.dead_letters.reader import LetterReader


def rating(user: str, item: str, stars: int = 5) -> dict[str, Any]:
    return {"user": user, "item": item, "stars": stars, "at": datetime.now(UTC)}


def encoded(running: Stage, event: dict[str, Any]) -> bytes:
    event_type = running.product.event_types["ratings"]
    return Codec(running.platform.registry).encode(running.platform.registry.register(event_type), event_type, event)


def sent(running: Stage, user: str, *payloads: bytes) -> list[tuple[int, int]]:
    """Send payloads as they are, under one key; partition and offset of each."""
    places: list[tuple[int, int]] = []
    for payload in payloads:
        running.platform.producer.send_bytes(
            "ratings", user.encode(), payload, on_delivery=lambda error, *place: places.append(place)
        )
    running.platform.producer.flush()
    assert running.meter.wait_until_level(30.0).events == 0
    return places


def letters(running: Stage) -> list[Rejected]:
    return [letter.event for letter in LetterReader(running.platform.kafka).read("ratings")]


def because(running: Stage, user: str) -> list[str]:
    answer = httpx.post(f"{running.settings.service_url}/v1/recommend/personal", json={"user": user})
    return list(answer.raise_for_status().json()["because"])


def test_each_kind_of_bad_event_is_kept_and_the_good_ones_around_it_are_learned(running_movies: Stage) -> None:
    user = f"bad-{uuid4().hex[:8]}"
    good = [encoded(running_movies, rating(user, item)) for item in ("50", "181", "174", "172", "1")]
    unknown_id = wire.frame(2_000_000, good[0][5:])
    bad = [b"\x9b\x02random bytes\xff", good[0][:-3], unknown_id, b"", good[1] + b"!"]

    mixed = [payload for pair in zip(good, bad, strict=True) for payload in pair]
    places = sent(running_movies, user, *mixed)

    assert because(running_movies, user) == ["1", "172", "174", "181", "50"]
    kept = {(letter.partition, letter.offset): letter for letter in letters(running_movies)}
    found = [kept[place] for place in places[1::2]]
    assert [letter.value for letter in found] == bad
    assert all(letter.key == user.encode() and letter.topic == "ratings" and letter.reason for letter in found)
    assert [letter.error for letter in found] == ["MalformedEvent"] * 2 + ["UnknownSchema"] + ["MalformedEvent"] * 2
    assert not set(places[0::2]) & set(kept)


def test_a_wrong_json_event_is_refused_with_its_field_and_kept(running_movies: Stage) -> None:
    address = f"{running_movies.settings.service_url}/events/ratings"
    marker = uuid4().hex
    answer = httpx.post(address, json={"user": marker, "item": "50", "stars": "five", "at": "2026-01-01T00:00:00Z"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "stars" in answer.text
    assert any(marker.encode() in (letter.value or b"") for letter in letters(running_movies))
    missing = httpx.post(f"{running_movies.settings.service_url}/events/nothing", json={})
    assert missing.status_code == 404
    assert "ratings" in missing.text


def test_while_bad_events_come_without_end_the_good_ones_are_learned_within_seconds(running_movies: Stage) -> None:
    user, over = f"flood-{uuid4().hex[:8]}", threading.Event()

    def flood() -> None:
        while not over.is_set():
            for _ in range(50):
                running_movies.platform.producer.send_bytes("ratings", uuid4().bytes, uuid4().bytes)
            running_movies.platform.producer.flush()

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        waits = [_click(running_movies, user, item) for item in ("50", "181", "174")]
    finally:
        over.set()
        flooding.join()
    assert sorted(waits)[1] < 5.0
    assert running_movies.meter.wait_until_level(60.0).events == 0


def _click(running: Stage, user: str, item: str) -> float:
    start = time.monotonic()
    event = {**rating(user, item), "at": datetime.now(UTC).isoformat()}
    httpx.post(f"{running.settings.service_url}/events/ratings", json=event).raise_for_status()
    while item not in because(running, user):
        assert time.monotonic() - start < 20
    return time.monotonic() - start


@pytest.mark.parametrize("path", ["/v1/recommend", "/events/ratings"])
async def test_garbage_over_http_is_refused_and_never_an_internal_error(running_movies: Stage, path: str) -> None:
    bodies = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 50_000, b'{"user":' + b"9" * 400 + b"}", b"x" * 5_000_000]
    async with httpx.AsyncClient(base_url=running_movies.settings.service_url, timeout=20) as client:
        answers = await asyncio.gather(*(client.post(path, content=body) for body in bodies))
    assert {answer.status_code for answer in answers} <= {400, 413, 422}
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)
