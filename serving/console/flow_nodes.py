"""The words on the nodes and edges of the Flow page, and the same as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from serving.console import wording
from serving.console.layout import EXPERIMENTS, Node
from serving.measurements import Behind, EndpointFigures, Flow, LearnerFigures, StorageFigures, TopicFigures


@dataclass(frozen=True, slots=True)
class Words:
    """One node: its name, the line below it, what is added where there is room, and its link within the console.

    `rate`, `events`, `seconds` and `fresh` are the table's cells; `warn` marks what somebody should look at."""

    name: str
    line: str
    more: str
    link: str
    rate: str
    events: str
    seconds: str
    fresh: str
    warn: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """The two lines at an edge: above it what passes, below it how far behind."""

    above: str
    below: str
    warn: bool = False


def nodes(flow: Flow) -> dict[Node, Words]:
    """Every node by column and name."""
    found: dict[Node, Words] = {("topics", item.name): _topic(item, flow) for item in flow.topics}
    found |= {("learners", item.title): _learner(item, flow) for item in flow.learners}
    found |= {("storages", item.title): _storage(item) for item in flow.storages}
    found["endpoints", EXPERIMENTS] = _experiments(flow)
    found |= {("endpoints", item.name): _endpoint(item, flow) for item in flow.endpoints}
    return found


def labels(flow: Flow) -> dict[Node, Label]:
    """Labels by the node they stand at: events before learners, folds before storages, freshness after storages."""
    found: dict[Node, Label] = {}
    for learner in flow.learners:
        warn = bool(learner.unusual)
        behind = f"▲ {wording.behind(learner.behind)}" if warn else wording.behind(learner.behind)
        growth = next((topic.rate for topic in flow.topics if topic.name == learner.topic), None)
        found["learners", learner.title] = Label(wording.rate(growth), behind, warn)
    for storage in flow.storages:
        if not storage.descriptor.topic:
            found["reads", storage.title] = Label(_unfolded(storage), "")
            continue
        rates = [unit.rate for unit in storage.units if unit.rate is not None]
        folded = wording.rate(sum(rates)) if rates else wording.UNKNOWN
        warn = storage.condition.unusual
        found["storages", storage.title] = Label(folded, wording.ago(storage.committed, flow.at), warn)
        behind = wording.behind(storage.behind)
        found["reads", storage.title] = Label(behind, "behind" if warn else "", warn)
    return found


def _topic(topic: TopicFigures, flow: Flow) -> Words:
    more = wording.plural(topic.partitions, "partition")
    if topic.dead:
        more = wording.plural(topic.dead, "dead letter")
    readers = [learner.behind for learner in flow.learners if learner.topic == topic.name]
    slowest = _slowest(readers)
    return Words(
        name=topic.name,
        line=wording.rate(topic.rate) if topic.taken else "no events yet",
        more=more,
        link=f"flow?show=topics/{topic.name}",
        rate=wording.rate(topic.rate),
        events=wording.count(slowest.events if slowest else None) if readers else "nobody folds it",
        seconds=wording.behind(slowest),
        fresh=_arrived(topic, flow),
    )


def _arrived(topic: TopicFigures, flow: Flow) -> str:
    if topic.taken == 0:
        return "no events yet"
    return wording.sampled(topic.arrived, flow.at) if topic.arrived else f"more than {wording.seconds(120)} ago"


def _slowest(lags: Iterable[Behind | None]) -> Behind | None:
    """The one furthest behind in time among those that are known."""
    return max((item for item in lags if item), key=lambda item: item.seconds, default=None)


def _learner(learner: LearnerFigures, flow: Flow) -> Words:
    late = learner.unusual
    line = wording.plural(len(learner.units), "unit")
    waiting = learner.behind.events if learner.behind else None
    more = "" if waiting is None else f"{wording.short_count(waiting)} to fold"
    return Words(
        name=learner.name if sum(item.name == learner.name for item in flow.learners) == 1 else learner.title,
        line=f"{len(late)} of {len(learner.units)} {late[0].condition.value}" if late else line,
        more="" if late else more,
        link=f"flow?show=learners/{learner.title}",
        rate=wording.rate(learner.rate),
        events=wording.count(waiting),
        seconds=wording.behind(learner.behind),
        fresh=f"committed {wording.ago(learner.committed, flow.at)}" if learner.committed else "never committed",
        warn=bool(late),
    )


def _storage(storage: StorageFigures) -> Words:
    descriptor = storage.descriptor
    rows = wording.plural(storage.rows, "row") if storage.rows is not None else ""
    fresh = f"events up to {wording.clock(storage.watermark)}" if storage.watermark else "no event folded yet"
    if not descriptor.topic:
        fresh = f"{_unfolded(storage)}; no learner writes it"
    rates = [unit.rate for unit in storage.units if unit.rate is not None]
    return Words(
        name=storage.short,
        line=f"{descriptor.technology}/{descriptor.format}",
        more=rows or (wording.plural(len(storage.units), "unit") if descriptor.topic else ""),
        link=f"storages?storage={storage.title}#chosen",
        rate=wording.rate(sum(rates) if rates else None),
        events=wording.count(storage.behind.events if storage.behind else None),
        seconds=wording.behind(storage.behind),
        fresh=fresh,
        warn=storage.condition.unusual,
    )


def _unfolded(storage: StorageFigures) -> str:
    return "loaded" if storage.descriptor.writer else "empty"


def _experiments(flow: Flow) -> Words:
    slowest = _slowest(item.behind for item in flow.storages if item.counts_experiments)
    running = sum(len(item.facts.experiments) for item in flow.endpoints)
    return Words(
        name=EXPERIMENTS,
        line=f"{running} running" if running else "none",
        more="",
        link="experiments",
        rate="",
        events=wording.count(slowest.events if slowest else None),
        seconds=wording.behind(slowest),
        fresh="counts as they come" if slowest else "nothing counted yet",
    )


def _endpoint(endpoint: EndpointFigures, flow: Flow) -> Words:
    read = [item for item in flow.storages if item.title in endpoint.facts.reads]
    slowest = _slowest(item.behind for item in read)
    late = any(item.condition.unusual for item in read)
    wrong = "save refused" if endpoint.facts.refusals else "cannot answer" if endpoint.facts.faults else ""
    answered = wording.sampled(endpoint.answered, flow.at) if endpoint.answered else f"over {wording.seconds(120)} ago"
    return Words(
        name=endpoint.name,
        line=wrong or (wording.rate(endpoint.rate) if endpoint.total else "no answers yet"),
        more=f"p99 {wording.milliseconds(endpoint.p99)}" if endpoint.p99 is not None else "",
        link=f"endpoints?endpoint={endpoint.name}",
        rate=wording.rate(endpoint.rate),
        events=wording.count(slowest.events if slowest else None) if read else "reads no storage",
        seconds=wording.behind(slowest),
        fresh=f"last answer {answered}" if endpoint.total else "never asked",
        warn=bool(wrong) or late or endpoint.failing,
    )
