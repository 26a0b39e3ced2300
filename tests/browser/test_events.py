"""Events in a real browser, over a real Kafka: those that come are seen as they come, and one is found again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from schemas import Codec, Decision, EventType, RegistryClient
from schemas.table import MemoryTable
from serving import Watched
from serving.console import console
from serving.console.flow_page import FlowPage
from serving.console.streams_page import StreamsPage
from serving.console.tail import Tails
from serving.refused import Refused
from streams import DeadLetters, Kafka, Letters, Looking, Producer, Rejected, Stops, Topics
from tests.browser.conftest import Serve
from tests.plain import PLAIN
from tests.serving.access.keyed import Keyed
from tests.serving.console.stage import Stage
from tests.waiting import until

FIELDS = [
    {"name": "user", "type": "string"},
    {"name": "item", "type": "string"},
    {"name": "id", "type": ["null", "string"], "default": None},
    {"name": "session_token", "type": "string", "default": "t0p"},
]


@dataclass
class Logs:
    """A topic of one partition in a real Kafka."""

    clicks: EventType
    producer: Producer
    looking: Looking
    refused: Refused

    def click(self, user: str, item: str, id: str | None = None) -> None:
        self.producer.send(self.clicks, {"user": user, "item": item, "id": id, "session_token": "t0p"})
        self.producer.flush()

    def unreadable(self) -> None:
        self.producer.send_bytes(self.clicks.topic, b"eve", b"<script>no event")
        self.producer.flush()


@pytest.fixture
def logs(kafka: str, registry_url: str) -> Iterator[Logs]:
    cluster, topic = Kafka(kafka), f"clicks-{uuid.uuid4().hex[:8]}"
    schema = {"type": "record", "name": "Click", "fields": FIELDS, "millrace.id": "id"}
    with (
        closing(Topics(cluster)) as topics,
        closing(RegistryClient(registry_url)) as registry,
        Producer(cluster, registry) as producer,
    ):
        topics.ensure(topic, 1)
        topics.ensure(Decision.event_type.topic, 4)
        codec, table = Codec(registry), MemoryTable()
        refused = Refused(Letters(cluster, codec, lambda: producer, table), Stops(table).standing, lambda *_: ())
        yield Logs(EventType(topic, schema, "user"), producer, Looking(cluster, codec), refused)


@pytest.fixture
def tails(logs: Logs) -> Tails:
    return Tails(logs.looking)


@pytest.fixture
def stage(logs: Logs, tails: Tails) -> Stage:
    """A learner, `popular`, that folds the topic's first three events."""
    stage = Stage()
    stage.topics.highs[logs.clicks.topic, 0] = 5
    stage.learner("popular", 3, logs.clicks.topic)
    pages = StreamsPage(logs.refused, tails), FlowPage(logs.looking)
    stage.routes = console(stage.measurements, (), stage.storages, streams=pages[0], flow=pages[1])
    return stage


@pytest.fixture
def base(stage: Stage, serve: Serve) -> str:
    return serve(stage.app())


def test_events_are_seen_as_they_come_filtered_and_held_still(page: Page, logs: Logs, tails: Tails, base: str) -> None:
    logs.click("ann", "i1")
    logs.unreadable()
    page.goto(f"{base}/console/streams")
    page.get_by_label("Topic", exact=True).select_option(logs.clicks.topic)
    page.get_by_role("button", name="Show events").click()
    rows = page.locator("#tail tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("cannot be read")
    expect(rows.nth(0)).to_contain_text("MalformedEvent: The first byte is 0x3c")
    expect(rows.nth(1)).to_contain_text('"item": "i1"')
    expect(rows.nth(1)).to_contain_text('"session_token": "***"')
    logs.click("bob", "i2")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text('"item": "i2"')

    page.get_by_label("Words of key or event").fill("BOB i2")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(rows).to_have_count(1)
    logs.click("ann", "i3")
    logs.click("bob", "i2")
    expect(rows).to_have_count(2)

    page.get_by_role("button", name="Pause").click()
    logs.click("bob", "i2")
    expect(page.locator("#live")).to_have_text("Paused")
    until(lambda: not tails.followed)  # nobody looks, so nothing is read
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Resume").click()
    expect(rows).to_have_count(3)
    rows.nth(0).get_by_role("link").click()
    expect(page.get_by_label("Event: its position, id or key, and fields")).to_have_value(f"{logs.clicks.topic}/0/5")


def test_an_event_is_found_and_where_it_went(page: Page, logs: Logs, base: str) -> None:
    logs.click("ann", "i1", "first")
    logs.click("ann", "i2", "second")
    logs.click("ann", "i1", "first")
    logs.unreadable()
    logs.click("ann", "i9")
    reason = "The first byte is no zero byte."
    letter = Rejected(logs.clicks.topic, 0, 3, 1, b"eve", b"<script>no event", "MalformedEvent", reason)
    DeadLetters(logs.producer).send([letter])
    now = datetime.now(UTC)
    answer = Decision("d1", "recommend", "popular_now", "4f1c", None, None, "ann", 1.0, "{}", "{}", None, 1.0, now)
    logs.producer.emit(answer)
    logs.producer.flush()

    page.goto(f"{base}/console/flow")
    field = page.get_by_label("Event: its position, id or key, and fields")

    def find(text: str) -> None:
        field.fill(text)
        page.get_by_role("button", name="Find event").click()

    topic, known, trace = logs.clicks.topic, page.locator("#sought"), page.locator(".trace")
    find("ann item=i2")
    expect(known).to_contain_text('"item": "i2"')
    expect(known).to_contain_text("second")
    expect(trace).to_contain_text("popular is past it")
    expect(known.get_by_role("link", name="memory/ranking/popular@1")).to_be_visible()
    expect(known).to_contain_text("Answers since")
    expect(known).to_contain_text("recommend")
    expect(known).not_to_contain_text("t0p")

    find("first")
    expect(page.get_by_role("heading", name="2 events found")).to_be_visible()
    expect(known).to_contain_text("its id was there before")
    expect(known).to_contain_text("Counted again by popular, which drops no repeats.")
    known.get_by_role("link", name="0", exact=True).click()
    expect(known).to_contain_text("Came again")

    find(f"{topic}:0:3")
    expect(known).to_contain_text("cannot be read")
    expect(known).to_contain_text(reason)
    expect(trace).to_contain_text("popular has not yet")
    expect(known.get_by_role("link", name=f"dead letter {topic}@0")).to_be_visible()

    find(f"{topic} item=i7")
    expect(page.get_by_text("No such event", exact=True)).to_be_visible()
    expect(page.get_by_text("Looked at all 5 events of the topics above.")).to_be_visible()
    find("ann bob")
    expect(page.get_by_text("Write its position, clicks/3/917")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")])
def test_nothing_runs_over_the_edge(page: Page, logs: Logs, base: str, width: int, scheme: str) -> None:
    logs.click("a-user-with-a-rather-long-name-" + "x" * 60, "i" * 300, "first")
    logs.unreadable()
    page.set_viewport_size({"width": width, "height": 900})
    for place in (f"streams?tail={logs.clicks.topic}", f"flow?event={logs.clicks.topic}/0/0", "flow?event=i=i"):
        page.goto(f"{base}/console/{place}&theme={scheme}")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_only_a_key_with_the_scope_admin_sees_events(logs: Logs, serve: Serve, tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, console="admin", shop="answer")
    watched = Watched(names=[logs.clicks.topic], refused=logs.refused, looking=logs.looking)
    base = serve(keyed.shop.service(access=keyed.access, watched=watched).app())
    with httpx.Client(base_url=base, verify=PLAIN) as client:
        for place in (f"streams?tail={logs.clicks.topic}", f"streams/live?tail={logs.clicks.topic}", "flow?event=ann"):
            assert client.get(f"/console/{place}").status_code == 401
            assert client.get(f"/console/{place}", headers=keyed.bearer("shop")).status_code == 403
