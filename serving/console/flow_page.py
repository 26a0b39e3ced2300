"""What the Flow page shows: the picture from topic to answer, the five numbers, the units, an event asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from serving.console import flow_nodes, wording
from serving.console.finding import Finding, prepared
from serving.console.layout import Layout, Node, layout
from serving.console.notes import note
from serving.console.page import Page
from serving.measurements import Flow, Found, Measurements, UnitFigures, find
from streams.looking import Looking

DECISIONS = "decisions"
"""The topic of decisions: what the service itself emits, so no event that came in."""

_NUMBER = re.compile(r"[0-9]{1,18}")

NOTHING: Mapping[str, Any] = {
    "flow": None,
    "found": None,
    "wrong": False,
    "may_find": False,
    "not_sought": "",
    "matches": None,
    "place": "",
    "shown": None,
}
SHOWN = 8
"""Units in the table before the rest is folded away."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the numbers at the top: its name, value, what it rests on, and its course."""

    name: str
    value: str
    detail: str
    course: tuple[float, ...] = ()
    warn: bool = False


def context(measurements: Measurements, query: Mapping[str, str]) -> dict[str, Any]:
    """Values for flow.html. In the query, `event` is a position to look for, `show` a node: `learners/co_watched@1`."""
    flow = measurements.flow()
    asked = query.get("event", "").strip()
    if flow is None:
        return {**NOTHING, "asked": asked}
    drawn = layout(flow)
    found = _found(flow, asked)
    chosen = _chosen(drawn, query.get("show", ""), found)
    units = _units(flow, query.get("show", ""))
    return {
        **NOTHING,
        "flow": flow,
        "asked": asked,
        "found": found,
        "wrong": asked and found is None,
        "show": query.get("show", ""),
        "note": note(flow),
        "figures": figures(flow),
        "drawn": drawn,
        "chosen": chosen,
        "nodes": flow_nodes.nodes(flow),
        "labels": flow_nodes.labels(flow),
        "units": units[:SHOWN],
        "folded": units[SHOWN:],
        "slowest": max((unit.behind.seconds for unit in units[SHOWN:] if unit.behind), default=0.0),
        "stale": flow.ends_at is None or flow.at - flow.ends_at > 0.5,
    }


READ_ONLY = Page("flow", "Flow", "flow.html", context)
"""The page that finds events by their positions alone."""


class FlowPage:
    """The page over logs that can be looked into."""

    def __init__(self, looking: Looking) -> None:
        self._finding = Finding(looking)

    def page(self) -> Page:
        """For the console."""
        return Page("flow", "Flow", "flow.html", self.context, prepare=self.prepare)

    def context(self, measurements: Measurements, query: Mapping[str, str]) -> dict[str, Any]:
        """See `context`."""
        return {**context(measurements, query), "may_find": True}

    async def prepare(self, measurements: Measurements, query: Mapping[str, str]) -> dict[str, Any]:
        """The event that is asked for, and what is known of it; the page then follows its position."""
        place, values = await prepared(self._finding, measurements, query)
        flow = measurements.flow()
        found = _found(flow, place) if flow is not None and place else None
        if flow is None or found is None:
            return values
        values |= {"search": urlencode({**query, "event": place}), "found": found, "place": place}
        values["chosen"] = _chosen(layout(flow), query.get("show", ""), found)
        return values | await self._finding.about(flow, found)


def figures(flow: Flow) -> list[Figure]:
    """The five numbers: what comes in, what is learned, who is furthest behind, what is answered, what was refused."""
    return [_events(flow), _learned(flow), _furthest(flow), _answers(flow), _dead(flow)]


def _events(flow: Flow) -> Figure:
    incoming = [topic for topic in flow.topics if topic.name != DECISIONS]
    rates = [topic.rate for topic in incoming if topic.rate is not None]
    course = _sum([topic.rates for topic in incoming])
    detail = f"peak {wording.rate(max(course))}, last minute" if course else "measured once a second"
    return Figure("Events in", wording.rate(sum(rates)) if rates else wording.UNKNOWN, detail, course)


def _learned(flow: Flow) -> Figure:
    rates = [learner.rate for learner in flow.learners if learner.rate is not None]
    waiting = [learner.behind.events for learner in flow.learners if learner.behind]
    value = wording.rate(sum(rates)) if rates else wording.UNKNOWN
    if not flow.learners:
        return Figure("Folded", value, "no learner has started yet")
    detail = f"by {wording.plural(len(flow.learners), 'learner')}; {wording.plural(sum(waiting), 'event')} to fold"
    return Figure("Folded", value, detail if waiting else f"by {wording.plural(len(flow.learners), 'learner')}")


def _furthest(flow: Flow) -> Figure:
    known = [unit for unit in flow.units if unit.behind]
    if not known:
        since = "never measured" if flow.ends_at is None else f"unknown since {wording.clock(flow.ends_at)}"
        return Figure("Furthest behind", wording.UNKNOWN, since if flow.learners else "no learner has started yet")
    worst = known[0]
    rest = max((unit.behind.seconds for unit in known[1:] if unit.behind), default=0.0)
    detail = f"{worst.title}; all others ≤{wording.SPACE}{wording.at_most(rest)}"
    if worst.behind and worst.behind.events == 0:
        detail = f"all {wording.plural(len(known), 'unit')} in step"
    return Figure("Furthest behind", wording.behind(worst.behind), detail, worst.course[-60:], worst.condition.unusual)


def _answers(flow: Flow) -> Figure:
    rates = [endpoint.rate for endpoint in flow.endpoints if endpoint.rate is not None]
    slowest = max((endpoint.p99 for endpoint in flow.endpoints if endpoint.p99 is not None), default=None)
    fallbacks = max((item.fallbacks for item in flow.endpoints if item.fallbacks is not None), default=None)
    total = sum(endpoint.total for endpoint in flow.endpoints)
    detail = f"p99 {wording.milliseconds(slowest)}; {wording.percent(fallbacks)} by fallback"
    if slowest is None:
        detail = f"{wording.count(total)} since the service started" if total else "no answer was asked for yet"
    course = _sum([endpoint.rates for endpoint in flow.endpoints])
    return Figure("Answers", wording.rate(sum(rates)) if rates else wording.UNKNOWN, detail, course)


def _dead(flow: Flow) -> Figure:
    counted = {topic.name: topic.dead for topic in flow.topics if topic.dead is not None}
    named = [name for name, dead in counted.items() if dead]
    detail = "all on " + named[0] if len(named) == 1 else "on " + ", ".join(named)
    return Figure(
        "Dead letters",
        wording.count(sum(counted.values())) if flow.ends_at is not None else wording.UNKNOWN,
        detail if named else "none kept",
    )


def _sum(courses: list[tuple[float, ...]]) -> tuple[float, ...]:
    """Courses added up, aligned at their newest values."""
    longest = max((len(course) for course in courses), default=0)
    return tuple(sum(course[-back] for course in courses if len(course) >= back) for back in range(longest, 0, -1))


def _found(flow: Flow, asked: str) -> Found | None:
    topic, _, rest = asked.partition("/")
    partition, _, offset = rest.partition("/")
    offset = offset.replace(",", "")
    if not (topic and _NUMBER.fullmatch(partition) and _NUMBER.fullmatch(offset)):
        return None
    return find(flow, topic, int(partition), int(offset))


def _chosen(drawn: Layout, show: str, found: Found | None) -> set[Node]:
    """The nodes to draw heavy: the path of the event found, or everything connected with the node asked for."""
    if found and found.passages:
        learned = {("learners", passage.learner.title) for passage in found.passages if passage.folded}
        after = {edge.end for edge in drawn.edges if edge.start in learned}
        ends = {edge.end for edge in drawn.edges if edge.start in after}
        return {("topics", found.partition[0])} | learned | after | ends
    column, _, name = show.partition("/")
    return drawn.connected((column, name)) if column in drawn.columns and name in drawn.columns[column] else set()


def _units(flow: Flow, show: str) -> list[UnitFigures]:
    """The units of the learner or topic asked for; all where neither is."""
    column, _, name = show.partition("/")
    learners = {"learners": {name}, "topics": {item.title for item in flow.learners if item.topic == name}}
    titles = learners.get(column)
    chosen = {id(unit) for item in flow.learners if titles is None or item.title in titles for unit in item.units}
    return [unit for unit in flow.units if id(unit) in chosen]
