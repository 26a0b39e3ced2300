"""A change that a running service makes is in the topic `audit`, under its registered schema."""

from __future__ import annotations

import time
from contextlib import closing
from uuid import uuid4

import httpx

from benchmarks.prove_loop.stage import Stage
from schemas import Audit
from streams import Consumer
from tests.plain import PLAIN
from tests.streams.conftest import Positions


def test_who_changed_what_is_an_event(running_movies: Stage) -> None:
    place = f"/storages/redis/counters/audited_{uuid4().hex[:8]}"
    for _ in range(2):
        httpx.request("PUT", running_movies.settings.service_url + place, timeout=30, verify=PLAIN)
    platform, group = running_movies.platform, uuid4().hex
    topics = {"audit": Audit.event_type}
    found: list[tuple[str, str, str, int]] = []
    until = time.monotonic() + 60
    with closing(Consumer(platform.kafka, platform.codec, group, "one", topics, Positions())) as consumer:
        while len(found) < 2:
            assert time.monotonic() < until
            for fetched in consumer.poll(0.2, 1_000):
                rows = fetched.batch.frame.to_dicts()
                found += [
                    (row["who"], row["action"], row["outcome"], row["status"]) for row in rows if row["target"] == place
                ]
    assert sorted(found) == [("loopback", "PUT", "done", 201), ("loopback", "PUT", "refused", 409)]
