"""`millrace events` over a real Kafka: what arrives is shown, and one event is found with where it went."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace.cli import app
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType
from schemas.errors import MillraceError
from storage import Ranking, UnitId, Writes
from streams import DeadLetters, Rejected

FIELDS = [{"name": "user", "type": "string"}, {"name": "item", "type": "string"}, {"name": "token", "type": "string"}]
BAD = b"\x1b[31mred"


@pytest.fixture
def platform(kafka: str, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setenv("MILLRACE_KAFKA", kafka)
    monkeypatch.setenv("MILLRACE_REGISTRY_URL", registry_url)
    monkeypatch.setenv("MILLRACE_REDIS_URL", "")
    monkeypatch.setenv("MILLRACE_RELATIONAL_URL", f"sqlite:///{tmp_path}/relational.db")
    with closing(Platform(Settings.load())) as platform:
        yield platform


@pytest.fixture
def topic(platform: Platform) -> str:
    """A topic with two clicks of ann and one event that cannot be read; a learner, `popular`, has folded one."""
    name = f"clicks-{uuid.uuid4().hex[:8]}"
    platform.topics.ensure(name, 1)
    clicks = EventType(name, {"type": "record", "name": "Click", "fields": FIELDS}, "user")
    for item in ("i1", "i2"):
        platform.producer.send(clicks, {"user": "ann", "item": item, "token": "t0p"})
    platform.producer.send_bytes(name, b"eve", BAD)
    platform.producer.flush()
    DeadLetters(platform.producer).send([Rejected(name, 0, 2, 1, b"eve", BAD, "MalformedEvent", "no zero byte")])
    storage = platform.technologies["relational"]
    storage.declare(Ranking("popular", technology="relational").describe("popular", 1, 1, name))
    storage.commit(storage.claim(UnitId("popular", 1, 1, name, 0), "worker-1"), None, 1, Writes(), 1)
    return name


def documents(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["events", *arguments, "--output", "json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_the_newest_events_are_shown_decoded_and_without_secrets(topic: str) -> None:
    assert [row["position"] for row in documents("tail", topic)] == [f"{topic}/0/{at}" for at in range(3)]
    [row] = documents("tail", topic, "--filter", "I2 ann")
    assert json.loads(row["event"]) == {"user": "ann", "item": "i2", "token": "***"}
    [bad] = documents("tail", topic, "-n", "1")
    assert bad["event"].startswith("cannot be read: MalformedEvent: The first byte is 0x1b")


def test_an_event_is_found_and_where_it_went(platform: Platform, topic: str) -> None:
    found = documents("find", topic, "ann", "item=i2")
    assert (found["position"], found["key"], found["others"]) == (f"{topic}/0/1", "ann", [])
    assert found["learners"] == {"popular@1": "not yet, it is next"}
    assert documents("find", f"{topic}:0:0")["learners"] == {"popular@1": "folded"}
    bad = documents("find", f"{topic}/0/2")
    assert bad["refused"] == f"{topic}@0: MalformedEvent: no zero byte"
    assert bad["event"] is None
    assert bad["learners"] == {"popular@1": "not yet, 1 event first"}
    storage = platform.technologies["relational"]
    storage.commit(storage.claim(UnitId("popular", 1, 1, topic, 0), "worker-1"), 1, 3, Writes(), 1)
    assert documents("find", f"{topic}/0/2")["learners"] == {"popular@1": "refused, see its dead letter"}
    assert documents("find", f"{topic}/0/1")["learners"] == {"popular@1": "folded"}
    shown = CliRunner().invoke(app, ["events", "find", f"{topic}/0/2"], catch_exceptions=False).output
    assert "no zero byte" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("words", "why"),
    [("item=i7", "There is no such event"), ("/0/9", "does not hold 9"), ("a b", "Write its position")],
)
def test_what_is_not_there_is_said_so(topic: str, words: str, why: str) -> None:
    asked = [topic + words] if words.startswith("/") else [topic, *words.split()]
    with pytest.raises(MillraceError, match=why):
        CliRunner().invoke(app, ["events", "find", *asked], catch_exceptions=False)
