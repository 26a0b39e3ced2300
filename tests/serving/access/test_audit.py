"""What is changed is recorded: by whom, what, and what became of it; and nothing waits for the record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas import Audit, EventType
from schemas.errors import RegistryUnavailable
from serving.access import Access, AuditLog
from serving.access import audit as module
from streams.errors import DeliveryFailed
from tests.serving.access.keyed import Keyed, logged_in
from tests.serving.access.test_login import CREATE, OWN, token
from tests.serving.shop import Shop
from tests.waiting import until

STORAGE = "/storages/memory/counters/visits"


class Kafka:
    """Takes events, or has one of its failures; `open` lets a sender that blocks go on."""

    def __init__(self) -> None:
        self.sent: list[Audit] = []
        self.failures: list[Exception] = []
        self.refuses: Exception | None = None
        self.open = threading.Event()
        self.open.set()

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: Any = None) -> None:
        self.open.wait(30)
        if self.failures:
            raise self.failures.pop()
        if self.refuses is None:
            self.sent.append(Audit.of(value))
        on_delivery(self.refuses, 0, len(self.sent))


@pytest.fixture
def kafka(caplog: pytest.LogCaptureFixture) -> Iterator[Kafka]:
    kafka = Kafka()
    with caplog.at_level(logging.INFO, logger="millrace.audit"):
        yield kafka
    kafka.open.set()


def rows(kafka: Kafka) -> list[tuple[str, str, str, str]]:
    return [(event.who, event.action, event.target, event.outcome) for event in kafka.sent]


async def test_each_change_is_an_event_with_the_keys_name_and_none_with_a_secret(
    tmp_path: Path, kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    keyed = Keyed(tmp_path, console="admin", shop="answer emit")
    async with keyed.running(keyed.shop.service(access=keyed.access, audit=AuditLog(kafka))) as client:
        console = keyed.bearer("console")
        await client.put(STORAGE, headers=console)
        await client.put(STORAGE, headers=console)
        curl = {**console, "content-type": "application/x-www-form-urlencoded"}  # what curl says of any body
        await client.request("DELETE", f"{STORAGE}?force=1", headers=curl, content=b'{"a":"&&&"}')
        await client.put(STORAGE, headers=keyed.bearer("shop"))
        await client.put(STORAGE)
        await client.get("/storages", headers=console)
        await client.post("/v1/recommend", json={"user": "u1"}, headers=keyed.bearer("shop"))
        await logged_in(keyed, client)
        page = await client.get("/console/storages?ask=create", headers={"accept": "text/html"})
        csrf = token(page)
        await client.post("/console/storages", data={**CREATE, "csrf-token": csrf}, headers=OWN)
        await client.post("/console/storages", data=CREATE, headers=OWN)
        await client.post("/console/logout", data={"csrf-token": csrf, "do": "log out"}, headers=OWN)
    form = "/console/storages technology=memory format=counters name=visits"
    assert rows(kafka) == [
        ("console", "PUT", STORAGE, "done"),
        ("console", "PUT", STORAGE, "refused"),
        ("console", "DELETE", f"{STORAGE}?force=1", "done"),
        ("shop", "PUT", STORAGE, "refused"),
        ("console", "log in", "/console/login", "done"),
        ("console", "create", form, "done"),
        ("console", "create", form, "refused"),
        ("console", "log out", "/console/logout", "done"),
    ]
    assert {event.key for event in kafka.sent} == {key.id for key in keyed.file.read() or ()}
    told = f"{kafka.sent} {caplog.text}"
    assert not any(secret in told for secret in (*keyed.secrets.values(), csrf))
    assert f"shop: PUT {STORAGE}: refused (403)" in caplog.text


async def test_beside_a_change_stands_the_key_that_nobody_can_claim(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, eva="admin")
    claims = {"visits": {}, "views": {"made_by": "anna@desk"}, "clicks": {"made_by": "x" * 99}}
    async with keyed.running() as client:
        for name, claim in claims.items():
            path = f"/storages/memory/counters/{name}"
            assert (await client.put(path, json=claim, headers=keyed.bearer("eva"))).status_code == 201
        odd = {"made_by": "a\x1b[31m"}
        assert (await client.put(STORAGE, json=odd, headers=keyed.bearer("eva"))).status_code == 422
        await logged_in(keyed, client, "eva")
        page = await client.get("/console/storages?ask=create", headers={"accept": "text/html"})
        form = {**CREATE, "name": "films", "csrf-token": token(page)}
        assert (await client.post("/console/storages", data=form, headers=OWN)).status_code == 303
    made = {item.name: item.made_by for item in keyed.shop.memory.storages()}
    assert made == {"visits": "eva", "views": "eva (anna@desk)", "clicks": "eva", "films": "eva"}


async def test_without_keys_the_change_is_by_this_machine(kafka: Kafka) -> None:
    shop = Shop()
    service = shop.service(audit=AuditLog(kafka), access=Access(local=True))
    async with shop.running(service) as client:
        await client.put(STORAGE, headers={"host": "localhost"})
    assert rows(kafka) == [("loopback", "PUT", STORAGE, "done")]
    assert kafka.sent[0].key is None


async def test_while_kafka_blocks_changes_are_made_and_what_does_not_fit_is_in_the_log_alone(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LIMIT", 2)
    kafka.open.clear()
    shop = Shop()
    async with shop.running(shop.service(audit=AuditLog(kafka))) as client:
        for number in range(6):
            assert (await client.put(f"{STORAGE}{number}")).status_code == 201
        kafka.open.set()
    assert len(kafka.sent) in (2, 3)
    assert sum("Kafka has not this change" in record.message for record in caplog.records) == 6 - len(kafka.sent)
    assert sum("anybody: PUT" in record.message for record in caplog.records) == 6


def test_a_schema_that_cannot_be_registered_yet_is_waited_for(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    kafka.failures = [RegistryUnavailable("away"), RegistryUnavailable("away")]
    audit = AuditLog(kafka)
    audit.start()
    audit.put("shop", b"id", "PUT", STORAGE, 201)
    until(lambda: kafka.sent)
    audit.close(30)
    assert rows(kafka) == [("shop", "PUT", STORAGE, "done")]


def test_what_kafka_refuses_is_said(kafka: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    kafka.refuses = DeliveryFailed("no room")
    audit = AuditLog(kafka)
    audit.start()
    audit.put("shop", b"id", "PUT", "/storages/\x1b[31m" + "x" * 10_000, 500)
    audit.close(30)
    assert "Kafka has not the change by shop" in caplog.text
    assert "no room" in caplog.text
    assert "\x1b" not in caplog.text
    assert "x" * 501 not in caplog.text
    assert "failed (500)" in caplog.text
