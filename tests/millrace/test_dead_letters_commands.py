"""`millrace dead-letters` over a real Kafka: what was refused is listed, shown, put back; what stands still goes on."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType
from schemas.errors import MillraceError
from streams import Rejected, Stop

VALUE = b"\x1b[31mred\x00\xff"
AT = "2026-11-26T14:02:00+00:00"


@pytest.fixture
def platform(kafka: str, registry_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setenv("MILLRACE_KAFKA", kafka)
    monkeypatch.setenv("MILLRACE_REGISTRY_URL", registry_url)
    with closing(Platform(Settings.load())) as platform:
        yield platform


@pytest.fixture
def topic(platform: Platform) -> str:
    """A topic with three dead letters."""
    name = f"clicks-{uuid.uuid4().hex[:8]}"
    platform.topics.ensure(name, 4)
    letters = [Rejected(name, 3, 17 + at, 1, b"ann", VALUE, "MalformedEvent", f"byte {at}") for at in range(2)]
    line = Rejected(name, -1, -1, 1, None, b'{"user": 1}', "MalformedEvent", "user: no string")
    platform.dead_letters("millrace-shop", 1).send([*letters, line])
    return name


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *arguments])


def found(*arguments: str) -> Any:
    done = ran(*arguments, "--output", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_letters_are_listed_by_reason_and_one_is_shown_whole(topic: str) -> None:
    line, bad = found("list", topic)
    assert (bad["reason"], bad["letters"], bad["replayed"], bad["newest"]) == (
        "MalformedEvent: byte N",
        2,
        0,
        f"{topic}@1",
    )
    assert line["reason"] == "MalformedEvent: user: no string"
    assert found("list", topic, "--reason", "byte 1")[0]["letters"] == 1
    assert found("list", topic, "--until", "1h") == []

    letter = found("show", f"{topic}/3/18")
    assert (letter["letter"], letter["partition"], letter["offset"]) == (f"{topic}@1", 3, 18)
    assert (base64.b64decode(letter["value"]), base64.b64decode(letter["key"])) == (VALUE, b"ann")
    assert (letter["decoded"], "The first byte is 0x1b" in letter["not_decoded"]) == (None, True)
    assert found("show", f"{topic}@2")["decoded"] == '{"user": 1}'
    assert ran("replay", f"{topic}-more").stdout.startswith("No dead letter is meant by this; see which")
    shown = ran("show", f"{topic}@1").stdout
    assert "1b 5b 33 31 6d 72 65 64 00 ff" in shown
    assert "\x1b" not in shown


def test_the_moments_in_a_reason_count_as_one_and_the_fields_of_an_event_are_shown_as_json(
    platform: Platform, topic: str
) -> None:
    schema = {
        "type": "record",
        "name": "At",
        "fields": [{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
    }
    event_type = EventType(topic, schema, None)
    number = platform.registry.register(event_type)
    value = platform.codec.encode(number, event_type, {"at": datetime(2026, 11, 26, tzinfo=UTC)})
    late = [
        Rejected(
            topic, 0, at, 1, None, value, "LateEvent", f"it happened at 2026-11-26T18:0{at}:00+00:00, 1,000 ms late."
        )
        for at in range(2)
    ]
    platform.dead_letters("millrace-shop", 1).send(late)
    [group] = found("list", topic, "--reason", "LateEvent")
    assert (group["reason"], group["letters"]) == ("LateEvent: it happened at TIME, N ms late.", 2)
    assert '{"at": "2026-11-26T00:00:00+00:00"}' in ran("show", f"{topic}/0/1").stdout


def test_a_topic_that_there_is_not_is_no_topic_without_dead_letters(platform: Platform, topic: str) -> None:
    done = ran("list", "nothere")
    assert isinstance(done.exception, MillraceError)
    assert str(done.exception).startswith("There is no topic 'nothere'; there are ")
    assert topic in str(done.exception)
    platform.topics.ensure(f"{topic}-good", 1)
    assert ran("list", f"{topic}-good").stdout == "No event was refused.\n"


def test_letters_are_put_back_once_after_a_dry_run(platform: Platform, topic: str) -> None:
    def held() -> int:
        return sum(high - low for low, high in platform.topics.ends([topic]).values())

    done = found("replay", topic, "--at", "3/17-18", "--dry-run")
    assert (done["sent"], done["to"], done["dry_run"], held()) == (2, topic, True, 0)
    assert found("replay", topic, "--at", "3/17")["sent"] == 1
    done = found("replay", topic)
    assert (done["sent"], done["replayed_before"], done["never_logged"], held()) == (1, 1, 1, 2)
    assert "2 letters left out: put back there before" in ran("replay", topic).stdout
    assert (found("replay", topic, "--again", "--at", "1")["sent"], held()) == (1, 3)


def test_a_learner_that_stands_still_is_told_of_and_let_go_on(
    platform: Platform, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = f"likes_{uuid.uuid4().hex[:8]}"
    for partition in (0, 1):
        platform.stops.stop(Stop(learner, 2, topic, partition, 5, "of the last 300 events 200 were bad", AT))
    mine = [stop for stop in found("stops") if stop["learner"] == f"{learner}@2"]
    assert [(stop["partition"], stop["since"], stop["position"]) for stop in mine] == [
        (f"{topic}/{partition}", AT, 5) for partition in (0, 1)
    ]
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["status"])
    assert f"{learner}@2 stands still on {topic}/0 since {AT}: of the last 300 events 200 were bad" in shown.stderr
    state = json.loads(CliRunner().invoke(app, ["status", "--output", "json"]).stdout)["learners"]
    assert [stop for stop in state["stops"] if stop in mine] == mine
    assert [stop["partition"] for stop in found("resume", learner, "--partition", "1")] == [f"{topic}/1"]
    assert [stop["partition"] for stop in found("resume", learner)] == [f"{topic}/0"]
    assert found("resume", learner) == []
    platform.stops.stop(Stop(learner, 2, f"{topic}-deleted", 0, 5, "of the last 300 events 200 were bad", AT))
    assert [stop["partition"] for stop in found("resume", learner)] == [f"{topic}-deleted/0"]
    assert {stop.past for stop in platform.stops.all().values() if stop.reader == learner} == {0}


@pytest.mark.parametrize(
    "wrong", [["show", "clicks"], ["show", "clicks/3"], ["list", "--since", "soon"], ["list", "--at", "x"]]
)
def test_what_names_no_letter_and_no_time_is_refused_with_how_it_is_written(wrong: list[str]) -> None:
    done = ran(*wrong)
    assert isinstance(done.exception, MillraceError)
    assert "write" in str(done.exception)
