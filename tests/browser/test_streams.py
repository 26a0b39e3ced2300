"""The Streams page in a real browser, over a real Kafka: refused events looked at and put back, a learner let go on."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from schemas import Codec, RegistryClient
from schemas.table import MemoryTable
from serving import Watched
from serving.access import AuditLog
from serving.refused import Refused
from streams import DeadLetters, Kafka, Letters, Producer, Rejected, Stop, Stops, Topics
from tests.browser.conftest import Serve
from tests.browser.console import asked
from tests.browser.test_login import logged_in
from tests.plain import PLAIN
from tests.serving.access.keyed import Keyed
from tests.waiting import until

AT = "2026-11-26T14:02:00+00:00"
WHY = "UnknownSchema: The registry has no schema with the id N."


@dataclass
class Platform:
    """A Kafka with a topic, whose dead letters there are three of: two for one reason, and a line of the intake."""

    topic: str
    topics: Topics
    stops: Stops
    refused: Refused

    def held(self) -> int:
        """Events in the log of the topic."""
        return sum(high - low for low, high in self.topics.ends([self.topic]).values())


@pytest.fixture
def platform(kafka: str, registry_url: str) -> Iterator[Platform]:
    cluster, topic = Kafka(kafka), f"clicks-{uuid.uuid4().hex[:8]}"
    with (
        closing(Topics(cluster)) as topics,
        closing(RegistryClient(registry_url)) as registry,
        Producer(cluster, registry) as producer,
    ):
        topics.ensure(topic, 2)
        reason = "The registry has no schema with the id {}."
        letters = [
            Rejected(
                topic,
                0,
                at,
                1,
                b"ann",
                b"\x00\x7f<script>",
                "UnknownSchema",
                reason.format(900 + at),
                (("trace", b"7"),),
            )
            for at in range(2)
        ]
        line = Rejected(topic, -1, -1, 1, None, b'{"user": 1}', "MalformedEvent", "user: no string")
        DeadLetters(producer).send([*letters, line])
        stops = Stops(MemoryTable())
        stops.stop(Stop("popular", 1, topic, 0, 17, "of the last 300 events 200 could not be read", AT))
        refused = Refused(
            Letters(cluster, Codec(registry), lambda: producer, MemoryTable()),
            stops.standing,
            lambda learner, partition, by: stops.go_on(learner, {(topic, 0): 20}, by),
        )
        yield Platform(topic, topics, stops, refused)


@pytest.fixture
def keyed(tmp_path: Path) -> Keyed:
    return Keyed(tmp_path, console="admin", shop="answer")


@pytest.fixture
def base(keyed: Keyed, platform: Platform, serve: Serve) -> str:
    watched = Watched(platform.topics, [platform.topic], refused=platform.refused)
    return serve(keyed.shop.service(access=keyed.access, audit=AuditLog(), watched=watched).app())


def test_refused_events_are_looked_at_and_put_back_by_an_admin_once_and_it_is_recorded(
    page: Page, keyed: Keyed, platform: Platform, base: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="millrace.audit")
    logged_in(page, f"{base}/console/streams", keyed.secrets["console"])
    row = page.locator("#letters tbody tr", has_text=platform.topic).filter(has_text=WHY)
    row.get_by_role("link", name=WHY, exact=True).click()
    letter = page.locator("#letter")
    expect(letter).to_contain_text(f"{platform.topic}/0/1")
    expect(letter).to_contain_text("no schema with the id 901")
    expect(letter).to_contain_text("00 7f 3c 73 63 72")

    dialog = asked(page, f"Replay {platform.topic}: {WHY}", f"Replay dead letters of {platform.topic}")
    expect(dialog).to_contain_text("2 events refused for")
    dialog.get_by_role("button", name="Put back 2 events").click()
    expect(page.locator("#done")).to_contain_text(f"Put 2 events back to {platform.topic}.")
    assert platform.held() == 2
    expect(row.locator("[data-label='Put back']")).to_have_text("2")
    assert f"console: replay /console/streams topic={platform.topic} reason={WHY}: done (303)" in caplog.text

    dialog = asked(page, f"Replay {platform.topic}: {WHY}", f"Replay dead letters of {platform.topic}")
    expect(dialog).to_contain_text("Left out: 2 (put back before)")
    expect(dialog.get_by_role("button")).to_have_count(0)
    assert platform.held() == 2


def test_a_learner_that_stands_still_is_said_so_and_let_go_on(
    page: Page, keyed: Keyed, platform: Platform, base: str
) -> None:
    logged_in(page, f"{base}/console/streams", keyed.secrets["console"])
    expect(page.locator("[data-live=notes]")).to_contain_text("stands still since")
    expect(page.get_by_role("navigation", name="Pages")).to_contain_text("1 stopped")
    expect(page.locator("#stops")).to_contain_text("of the last 300 events 200 could not be read")
    asked(page, "Go on…", "Let popular go on").get_by_role("button", name="Let popular go on").click()
    expect(page.locator("#done")).to_contain_text("popular goes on, on 1 partition.")
    expect(page.locator("#stops")).to_be_empty()
    [stop] = platform.stops.all().values()
    assert (stop.past, stop.by) == (20, "console")


def test_without_an_admins_key_or_the_pages_token_nothing_is_put_back(
    keyed: Keyed, platform: Platform, base: str
) -> None:
    form = {"do": "replay", "topic": platform.topic}
    with httpx.Client(base_url=base, verify=PLAIN) as client:
        assert client.post("/console/streams", data=form).status_code == 401
        assert client.post("/console/streams", data=form, headers=keyed.bearer("shop")).status_code == 403
        client.post("/console/login", data={"key": keyed.secrets["console"], "to": "/console/streams"})
        own = {"origin": base, "sec-fetch-site": "same-origin"}
        assert client.post("/console/streams", data=form, headers=own).status_code == 403
        assert platform.held() == 0

        def counted() -> bool:
            metrics = client.get("/metrics", headers=keyed.bearer("shop")).text
            stopped = f'millrace_units_stopped{{learner="popular",topic="{platform.topic}",partition="0"}} 1'
            return f'millrace_dead_letters{{topic="{platform.topic}"}} 3' in metrics and stopped in metrics

        until(counted)
