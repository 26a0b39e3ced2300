"""Writers change their schema while a real worker runs: what can be read is learned, and before the rest it waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from millrace.cli import app
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType
from schemas.avro import Schema
from storage.technologies import opened
from tests.millrace.served import ROOT
from tests.waiting import until

LEARNER = """
import polars as pl
import millrace as mr

class Receipts(mr.FrameLearner):
    name = "{topic}"
    sales = mr.stream("{topic}", key="shop")
    receipts = mr.Counters("receipts")

    def learn(self, batch: mr.Batch) -> None:
        place = [pl.col("place").struct.field(name) for name in ("city", "zip")]
        said = pl.concat_str("customer", "paid", *place, "note", "amount", separator=" ")
        self.receipts.add(batch.frame.with_columns(said.alias("said")), key="shop", field="said")
"""


def record(name: str, **fields: Any) -> dict[str, Any]:
    """The schema of a record; a field is a type, or a property list with one."""
    listed = [{"name": field, **(kind if "default" in kind else {"type": kind})} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": listed}


def paid(*symbols: str, **more: str) -> dict[str, Any]:
    return {"type": "enum", "name": "Paid", "symbols": [*symbols], **({"default": more["otherwise"]} if more else {})}


ZIP = {"type": "string", "default": "?"}
FIRST = record("Sale", shop="string", amount="int", user="string", paid=paid("CASH", "CARD"), till="long")
FIRST["fields"].append({"name": "place", "type": record("Place", city="string")})
SECOND = record("Sale", note="string", shop="string", amount="long", customer="string", paid=paid("CASH", "PHONE"))
SECOND["fields"].append({"name": "place", "type": record("Place", zip="string", city="string")})
THIRD = record("Sale", shop="string", cents="long", customer="string")
READ = record("Sale", shop="string", amount="long", note={"type": "string", "default": ""})
READ["fields"] += [
    {"name": "customer", "type": "string", "aliases": ["user"]},
    {"name": "paid", "type": paid("CASH", "CARD", "OTHER", otherwise="OTHER"), "default": "CASH"},
    {"name": "place", "type": record("Place", city="string", zip=ZIP), "default": {"city": "nowhere"}},
]
WIDER = json.loads(json.dumps(READ))
WIDER["fields"][1]["default"] = -1
"""What reads the third too: an amount that was not written is said to be -1."""


def first(number: int) -> dict[str, Any]:
    named = {"shop": f"s{number % 3}", "amount": number, "user": "ann", "paid": "CARD", "till": 1}
    return {**named, "place": {"city": "Ulm"}}


def second(number: int) -> dict[str, Any]:
    named = {"shop": f"s{number % 3}", "amount": number << 40, "customer": "bob", "paid": "PHONE", "note": "gift"}
    return {**named, "place": {"city": "Bonn", "zip": "53111"}}


def third(number: int) -> dict[str, Any]:
    return {"shop": f"s{number % 3}", "cents": 100 * number, "customer": "cid"}


class Shop:
    """A topic that anybody may write to, a product that learns it, and what the product has learned."""

    def __init__(self, platform: Platform, folder: Path, registry_url: str) -> None:
        self.topic = f"sales_{uuid.uuid4().hex[:8]}"
        self.platform, self.folder, self.expected = platform, folder, Counter[tuple[str, str]]()
        platform.topics.ensure(self.topic, 1)
        level = {"compatibility": "NONE"}
        httpx.put(f"{registry_url}/config/{self.topic}-value", json=level, trust_env=False).raise_for_status()
        (folder / "shop" / "events").mkdir(parents=True)
        (folder / "shop" / "learners.py").write_text(LEARNER.format(topic=self.topic), "utf-8")

    def reads(self, schema: dict[str, Any]) -> None:
        """From the next start on the product reads events like this."""
        text = json.dumps({**schema, "millrace.topic": self.topic, "millrace.key": "shop"})
        (self.folder / "shop" / "events" / "sale.avsc").write_text(text, "utf-8")

    def send(self, schema: Schema, event: dict[str, Any], said: str) -> None:
        """Send an event, of which the learner is to say this."""
        self.platform.producer.send(EventType(self.topic, schema, "shop"), event)  # type: ignore[arg-type]
        self.expected[event["shop"], said] += 1

    @contextmanager
    def learning(self) -> Iterator[None]:
        """A worker runs in a process of its own; at the end it is killed."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.folder / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "millrace", "worker", "shop", "worker-1"]
            process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
            assert process.poll() is None, (self.folder / "worker.log").read_text("utf-8")
        finally:
            process.kill()
            process.wait()

    def learned(self) -> Counter[tuple[str, str]]:
        found = Counter[tuple[str, str]]()
        with closing(opened("relational", self.platform.settings.relational_url)) as technology:
            for descriptor in technology.storages():
                for address, row in technology.dump(descriptor):
                    assert isinstance(row, dict)
                    found.update({(address.key, said): count for said, count in row.items()})
        return found

    def stops(self) -> list[dict[str, Any]]:
        """Where `millrace status` says that the learner stands still."""
        found = json.loads(CliRunner().invoke(app, ["status", "--output", "json"]).stdout).get("learners", {})
        return [stop for stop in found.get("stops", []) if stop["learner"] == f"{self.topic}@1"]

    def letters(self) -> bool:
        return f"{self.topic}-dead-letters" in self.platform.topics.names()


@pytest.fixture
def shop(kafka: str, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_KAFKA", kafka)
    monkeypatch.setenv("MILLRACE_REGISTRY_URL", registry_url)
    monkeypatch.setenv("MILLRACE_DEFAULT_TECHNOLOGY", "relational")
    monkeypatch.setenv("MILLRACE_RELATIONAL_URL", f"sqlite:///{tmp_path}/learned.db")
    with closing(Platform(Settings.load())) as platform:
        yield Shop(platform, tmp_path, registry_url)


def test_two_schemas_in_one_batch_are_learned_and_one_that_cannot_be_read_is_waited_for(shop: Shop) -> None:
    shop.reads(READ)
    for number in range(100):
        shop.send(FIRST, first(number), f"ann CARD Ulm ?  {number}")
        if number % 2:
            shop.send(SECOND, second(number), f"bob OTHER Bonn 53111 gift {number << 40}")
    with shop.learning():
        until(lambda: shop.learned() == shop.expected)
        for number in range(100, 130):
            shop.send(FIRST, first(number), f"ann CARD Ulm ?  {number}")
            shop.send(SECOND, second(number), f"bob OTHER Bonn 53111 gift {number << 40}")
        until(lambda: shop.learned() == shop.expected)

        before = Counter(shop.expected)
        for number in range(20):
            shop.send(THIRD, third(number), "cid CASH nowhere ?  -1")
            shop.send(FIRST, first(number), f"ann CARD Ulm ?  {number}")
        shop.platform.producer.flush()
        until(shop.stops)
        [stop] = shop.stops()
        assert stop["position"] == before.total()
        assert f"the event at offset {before.total()} cannot be read. It was written with schema" in stop["reason"]
        assert "field amount is not written and has no default" in stop["reason"]
        assert shop.learned() == before
    assert not shop.letters()

    shop.reads(WIDER)
    with shop.learning():
        until(lambda: shop.learned() == shop.expected)
        until(lambda: not shop.stops())
    assert not shop.letters()
