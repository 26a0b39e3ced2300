"""The pages as the server sends them: whole, and in parts over the stream."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from serving.console.live import event, stream
from serving.console.routes import PAGES
from serving.console.shell import Shell
from serving.measurements import AnswerCounts, EndpointFacts, Failure, ImplementationFacts
from tests.serving.console.stage import EXPERIMENT, Brought, Stage

NAMES = [page.path for page in PAGES]


@pytest.fixture
async def stage() -> Stage:
    stage = Stage()
    stage.running()
    stage.experiment()
    return stage


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(stage.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
        yield client


async def text(client: httpx.AsyncClient, address: str) -> str:
    answer = await client.get(address)
    assert answer.status_code == 200
    words = html.unescape(re.sub(r"<[^>]+>", " ", answer.text))
    return re.sub(r"\s+", " ", words.replace("\N{NO-BREAK SPACE}", " "))


class Checker(HTMLParser):
    """Collects what a strict content policy or a screen reader would stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.faults: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.faults += [f"{tag} {name}" for name in values if name == "style" or name.startswith("on")]
        if tag == "script" and not values.get("src"):
            self.faults.append("inline script")
        if tag == "style":
            self.faults.append("inline style")
        self.ids += [values["id"] or ""] if "id" in values else []
        self.labels += (values.get("aria-labelledby") or "").split()
        self.links += [values["href"] or ""] if tag == "a" and "href" in values else []
        if tag not in ("meta", "link", "input", "path", "circle", "rect", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in ("path", "circle", "rect"):
            self.faults.append(f"stray </{tag}> in <{self.open[-1] if self.open else ''}>")


@pytest.mark.parametrize("measured", [True, False], ids=["measured", "before the first sample"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_page_is_well_formed_and_holds_to_the_content_policy(
    client: httpx.AsyncClient, stage: Stage, name: str, measured: bool
) -> None:
    if measured:
        await stage.measurements.sample()
    answer = await client.get(f"/console/{name}")

    checker = Checker()
    checker.feed(answer.text)
    assert checker.faults == []
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert set(checker.labels) <= set(checker.ids)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", NAMES)
async def test_every_link_of_a_page_leads_somewhere(client: httpx.AsyncClient, stage: Stage, name: str) -> None:
    await stage.measurements.sample()
    checker = Checker()
    checker.feed((await client.get(f"/console/{name}")).text)

    links = [link for link in checker.links if link.startswith("/console")]
    assert len(links) >= len(NAMES)  # the way to every page, at least
    for link in links:
        assert (await client.get(link)).status_code == 200, link


async def test_the_address_alone_leads_to_flow(client: httpx.AsyncClient) -> None:
    for address in ("/", "/console", "/console/"):
        answer = await client.get(address, follow_redirects=True)
        assert answer.url.path == "/console/flow"


async def test_a_page_that_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/console/jobs")

    assert answer.status_code == 404
    assert "/console/flow" in answer.text


async def test_before_the_first_sample_numbers_are_unknown_and_not_zero(client: httpx.AsyncClient) -> None:
    shown = await text(client, "/console/flow")

    assert "the first sample comes within a second or two" in shown
    assert "0/s" not in shown


async def test_the_flow_page_shows_what_was_measured(client: httpx.AsyncClient, stage: Stage) -> None:
    await stage.measurements.sample()
    stage.topics.highs["ratings", 0] = 1040
    stage.answers = {"recommend": AnswerCounts(12, 0, 0, (0.01,), (12, 0))}
    await stage.measurements.sample()

    shown = await text(client, "/console/flow")

    assert re.search(r"co_watched/0 in step [\d.< ]+ s 40 ", shown)
    assert "p99 10 ms" in shown


async def test_the_streams_page_shows_how_long_a_topic_keeps_its_events(
    client: httpx.AsyncClient, stage: Stage
) -> None:
    await stage.measurements.sample()
    await stage.measurements._retentions.refresh(5.0)
    await stage.measurements.sample()

    assert "7 days" in await text(client, "/console/streams")


async def test_a_product_without_learners_is_told_what_is_missing(client: httpx.AsyncClient) -> None:
    empty = Stage()
    await empty.measurements.sample()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(empty.app()), base_url="http://console") as other:
        assert "No learner has started yet" in await text(other, "/console/flow")
        assert "No storages yet" in await text(other, "/console/storages")
        assert "No endpoint types" in await text(other, "/console/endpoints")


async def test_the_experiment_says_first_that_it_is_too_early_and_gives_its_counts(
    client: httpx.AsyncClient, stage: Stage
) -> None:
    stage.commit("decision_counts", 300, "experiment_decisions", popular_now=200, personal=100)
    stage.commit("liked", 30, "experiment_rewards_liked", popular_now=10, personal=20)
    await stage.measurements.sample()

    shown = await text(client, "/console/experiments")

    assert "Does personal beat popular_now?" in shown
    assert "too few units for a range of personal's lift over popular_now" in shown
    assert re.search(r"personal — 100 .* 20 20.0 %", shown)
    assert shown.index("Too early to tell") < shown.index("Variants")


async def test_a_difference_is_told_in_a_sentence_with_its_range_units_and_checks(
    client: httpx.AsyncClient, stage: Stage
) -> None:
    stage.commit("decision_counts", 300, "experiment_decisions", popular_now=100_000, personal=100_000)
    stage.commit("liked", 30, "experiment_rewards_liked", popular_now=10_000, personal=12_000)
    stage.results(popular_now=0.1, personal=0.12)
    await stage.measurements.sample()

    shown = await text(client, "/console/experiments")

    assert re.search(
        r"personal is better: personal has 1\d\.\d % more rewards per decision than popular_now, with 95 % confidence "
        r"between 1\d\.\d % and 2\d\.\d % more\. This holds however often you look\.",
        shown,
    )
    assert re.search(r"personal 10,240 100,000 .* 12,000 12\.0 % \+\d+\.\d % \+\d+\.\d % to \+\d+\.\d %", shown)
    assert "Units as split as planned 50.0 % 50.0 %" in shown
    assert "Time to answer, p99 no worse 10 ms 10 ms" in shown
    assert stage.measurements.course(EXPERIMENT, "personal")


async def test_a_split_that_is_off_hides_the_lift(client: httpx.AsyncClient, stage: Stage) -> None:
    stage.commit("decision_counts", 300, "experiment_decisions", popular_now=100_000, personal=100_000)
    stage.results(lost=900, popular_now=0.1, personal=0.12)
    await stage.measurements.sample()

    shown = await text(client, "/console/experiments")

    assert "Do not trust this experiment" in shown
    assert "Units as split not as planned" in shown
    assert "is better" not in shown
    assert re.search(r"personal 9,340 .* — not shown", shown)


async def test_an_experiment_without_decisions_has_zeros_and_no_rate(client: httpx.AsyncClient, stage: Stage) -> None:
    await stage.measurements.sample()

    shown = await text(client, "/console/experiments")

    assert "No decisions yet" in shown
    assert "nothing to compare yet" in shown


async def test_an_experiment_that_nobody_counts_says_so(client: httpx.AsyncClient) -> None:
    uncounted = Stage()
    uncounted.running()
    await uncounted.measurements.sample()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(uncounted.app()), base_url="http://console") as other:
        shown = await text(other, "/console/experiments")

    assert "Not counted yet" in shown
    assert "nobody counts it yet" in shown


async def test_refused_code_is_shown_where_its_author_looks(client: httpx.AsyncClient, stage: Stage) -> None:
    reason = "golden request 2 answered 0 items (endpoints.py, line 41)."
    stage.facts = [EndpointFacts("recommend", 0.05, (ImplementationFacts("personal", "4f1c", error=reason),))]
    await stage.measurements.sample()

    assert "1 refused" in await text(client, "/console/flow")
    assert reason in await text(client, "/console/endpoints")


async def test_a_failing_implementation_is_shown_with_what_answers_in_its_place(
    client: httpx.AsyncClient, stage: Stage
) -> None:
    made = tuple(ImplementationFacts(name, "4f1c") for name in ("personal", "newest"))
    stage.facts = [EndpointFacts("recommend@2", 0.05, made, fallback="newest", default=True)]
    stage.answers = {"recommend@2": AnswerCounts(100)}
    await stage.measurements.sample()
    failure = Failure("personal", "deadline-passed", "newest")
    stage.answers = {"recommend@2": AnswerCounts(200, 40, failures={failure: 40})}
    await stage.measurements.sample()

    shown = await text(client, "/console/endpoints?endpoint=recommend@2")

    assert "1 failing" in shown
    assert "where one fails, newest, then the default answer" in shown
    assert "had no answer of personal 40 times in the last minute: its deadline passed." in shown


async def test_code_that_cannot_answer_is_not_called_live(client: httpx.AsyncClient, stage: Stage) -> None:
    reason = "redis cannot do that with redis/vectors/items@1: it has no vector index."
    stage.facts = [EndpointFacts("near", 0.05, (ImplementationFacts("by_vector", "4f1c", fault=reason),))]
    await stage.measurements.sample()

    shown = await text(client, "/console/endpoints")
    assert f"near could not answer when it was last asked. by_vector: {reason}" in shown
    assert shown.count("cannot answer") == 2
    assert "near cannot answer" in await text(client, "/console/flow")


async def test_overload_is_said_with_how_many_were_refused(client: httpx.AsyncClient, stage: Stage) -> None:
    stage.facts = [EndpointFacts("near", 0.05)]
    stage.answers = {"near": AnswerCounts(100)}
    await stage.measurements.sample()
    stage.answers = {"near": AnswerCounts(200, shed=1_500)}
    await stage.measurements.sample()
    shown = await text(client, "/console/endpoints")
    assert "near overloaded" in shown
    assert "1,500 requests of the last minute got 503 at once, so that the others were in time" in shown
    assert "near is asked more than can be answered in time" in await text(client, "/console/flow")


async def test_decisions_that_wait_on_disk_and_those_that_were_lost_are_said(
    client: httpx.AsyncClient, stage: Stage
) -> None:
    counts = {"logged": 1500, "queued": 7, "spooled": 12_300, "dropped": 0}
    stage.facts = [EndpointFacts("near", 0.05)]
    stage.decisions = {**counts, "spool_bytes": 8_200_000, "spool_seconds": 180}
    await stage.measurements.sample()
    shown = await text(client, "/console/endpoints")
    assert "wait on disk until Kafka takes them: 12,300 in 8.2 MB, the oldest for 3 min. Answers go on." in shown
    assert "1,500 logged, 7 in memory, 12,300 in 8.2 MB, the oldest for 3 min on disk, 0 lost" in shown
    assert "Decisions wait on disk until Kafka takes them" in await text(client, "/console/flow")

    stage.decisions = {**stage.decisions, "dropped": 40}
    await stage.measurements.sample()
    assert "of 40 answers were lost in the last minute" in await text(client, "/console/endpoints")


async def test_names_from_outside_are_escaped(client: httpx.AsyncClient, stage: Stage) -> None:
    await stage.measurements.sample()

    answer = await client.get("/console/flow", params={"event": "<script>x</script>", "show": '"><script>y</script>'})

    assert "<script>x" not in answer.text
    assert "<script>y" not in answer.text


async def test_a_product_brings_a_page_with_its_script(tmp_path: Path) -> None:
    template, script = tmp_path / "page.html", tmp_path / "page.js"
    template.write_text('{% extends "page.html" %}{% block content %}<p>Ours</p>{% endblock %}', "utf-8")
    script.write_text("document.title = 'ours';", "utf-8")
    stage = Stage([Brought("ours", "Ours", template, script)])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(stage.app()), base_url="http://console") as client:
        page = await client.get("/console/ours")
        source = re.search(r'<script src="(/console/ours/[^"]+)"', page.text)
        assert source is not None
        answer = await client.get(source[1])

    assert "<p>Ours</p>" in page.text
    assert "Demo" in page.text
    assert answer.text == "document.title = 'ours';"
    assert answer.headers["content-type"].startswith("text/javascript")


async def until(events: AsyncIterator[str], part: str) -> list[str]:
    """The names of the parts sent up to and including `part`."""
    names = [(await anext(events)).splitlines()[0].removeprefix("event: ")]
    while names[-1] != part:
        names.append((await anext(events)).splitlines()[0].removeprefix("event: "))
    return names


async def test_the_stream_sends_everything_first_and_then_only_what_changed(stage: Stage) -> None:
    await stage.measurements.sample()
    events = stream(Shell(stage.measurements, PAGES), PAGES[0], {}, "/console")
    first = await until(events, "units")

    stage.topics.highs["ratings", 0] = 1005
    await stage.measurements.sample()
    second = await until(events, "units")

    assert set(first) >= {"rail", "parts", "clock", "status", "note", "figures", "graph", "table", "units"}
    assert "rail" not in second
    assert "note" not in second
    await events.aclose()


async def test_the_stream_ends_when_the_service_stops(stage: Stage) -> None:
    await stage.measurements.sample()
    events = stream(Shell(stage.measurements, PAGES), PAGES[0], {}, "/console")
    await anext(events)

    stage.measurements.end()

    assert len([sent async for sent in events]) < 20


async def test_the_stream_says_that_it_is_there_while_nothing_is_measured(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.console.live.SILENCE", 0.01)
    events = stream(Shell(stage.measurements, PAGES), PAGES[0], {}, "/console")

    assert await asyncio.wait_for(anext(events), 60) == ": no new sample\n\n"
    await events.aclose()


def test_html_of_several_lines_is_one_event() -> None:
    assert event("units", "<p>\n</p>") == "event: units\ndata: <p>\ndata: </p>\n\n"
    assert event("note", "") == "event: note\ndata: \n\n"
