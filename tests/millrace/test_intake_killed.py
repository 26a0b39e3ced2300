"""A real service that takes events while Kafka is away and is killed: what it had acknowledged is in Kafka later."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from schemas import Codec, Event, RegistryClient
from streams import Consumer, Kafka
from tests.millrace.served import FIXED, Served, served
from tests.plain import PLAIN
from tests.streams.conftest import Positions
from tests.waiting import until

USERS = 5


def product(folder: Path, topic: str) -> None:
    (folder / "product").mkdir(exist_ok=True)
    (folder / "product" / "events.py").write_text(
        f"import millrace as mr\n\nclass Note(mr.Event, topic='{topic}', key='user'):\n    user: str\n    number: int\n"
    )


def post(service: Served, topic: str, number: int) -> httpx.Response:
    return httpx.post(
        f"{service.url}/events/{topic}",
        json={"user": f"u{number % USERS}", "number": number},
        timeout=30,
        verify=PLAIN,
    )


def taken_until_killed(service: Served, topic: str) -> list[int]:
    """The numbers that were acknowledged; the process is killed while more are being sent."""
    acknowledged: list[int] = []

    def send() -> None:
        number = 0
        while True:
            try:
                answer = post(service, topic, number)
            except httpx.TransportError:
                return
            assert (answer.status_code, answer.json()) == (202, {"positions": [], "spooled": 1})
            acknowledged.append(number)
            number += 1

    sending = threading.Thread(target=send)
    sending.start()
    until(lambda: len(acknowledged) >= 50 or not sending.is_alive())
    service.process.kill()
    sending.join(60)
    return acknowledged


@pytest.mark.server
def test_what_was_acknowledged_before_a_kill_is_in_kafka_in_order_when_it_is_back(
    kafka: str, registry_url: str, tmp_path: Path
) -> None:
    topic = f"notes-{uuid.uuid4().hex[:8]}"
    product(tmp_path, topic)
    spool = {"MILLRACE_INTAKE_SPOOL_MB": "5", "MILLRACE_INTAKE_SPOOL_DIR": str(tmp_path / "events")}
    with served(tmp_path, FIXED, **spool) as service:
        acknowledged = taken_until_killed(service, topic)
    assert len(acknowledged) >= 50

    with served(tmp_path, FIXED, MILLRACE_KAFKA=kafka, MILLRACE_REGISTRY_URL=registry_url, **spool) as service:
        until(lambda: "millrace_events_spool_bytes 0" in service.get("/metrics").text)
        assert post(service, topic, 1_000).json()["positions"]
        found = _log(kafka, registry_url, topic, 1_000)
    for user in range(USERS):
        mine = [number for number in acknowledged if number % USERS == user]
        assert found[f"u{user}"][: len(mine)] == mine


def _log(kafka: str, registry_url: str, topic: str, last: int) -> dict[str, list[int]]:
    """The numbers of each user in the order of the log, up to this one."""

    class Note(Event, topic=topic, key="user"):
        user: str
        number: int

    found: dict[str, list[int]] = defaultdict(list)
    broker = Kafka(kafka)
    with closing(RegistryClient(registry_url)) as registry:
        types = {topic: Note.event_type}
        with closing(Consumer(broker, Codec(registry), topic, "reader", types, Positions())) as consumer:

            def read() -> bool:
                for item in consumer.poll(0.1, 1_000):
                    for user, number in item.batch.frame.select("user", "number").iter_rows():
                        found[user].append(number)
                return any(last in numbers for numbers in found.values())

            until(read)
    return found
