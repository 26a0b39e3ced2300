"""The one note at the top of a page: what is wrong, how much, until when, what it touches, and where to look."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from serving.console import wording
from serving.measurements import NOBODY, Condition, Connection, EndpointFigures, Flow, UnitFigures


@dataclass(frozen=True, slots=True)
class Note:
    """`kind` is "warn" or "bad"; `subject` is set bold before `text`; `status` says the same without numbers that move,
    for those who listen; `link` with its `action` leads within the console to where it can be seen."""

    kind: str
    subject: str
    text: str
    status: str
    link: str = ""
    action: str = ""


def note(flow: Flow) -> Note | None:
    """The most urgent thing that is wrong, or None: a server away, an endpoint that cannot answer, is overloaded or
    often fails, a unit that was stopped or is behind, refused code, decisions that are not logged."""
    unanswered = unable(flow.endpoints) or overloaded(flow.endpoints) or failing(flow.endpoints)
    lasting = stopped(flow) or _behind(flow) or refused(flow.endpoints) or unlogged(flow)
    return _away(flow.connections, flow) or unanswered or lasting


def away(flow: Flow, technologies: Collection[str]) -> Note | None:
    """A technology of these that does not answer; the storages of the others are live."""
    return _away([item for item in flow.connections if item.name.lower() in technologies], flow)


def unread(damaged: Sequence[str]) -> Note | None:
    """Entries of a catalogue that nobody can read: `Catalogue.damaged` says which."""
    if not damaged:
        return None
    more = f" {wording.plural(len(damaged) - 1, 'more entry', 'more entries')} cannot be read." if damaged[1:] else ""
    return Note("warn", "Unreadable:", f"{damaged[0]}.{more}", "An entry of a storage cannot be read.")


def _away(connections: Sequence[Connection], flow: Flow) -> Note | None:
    for connection in connections:
        if connection.error:
            since = "since the service started"
            if connection.answered is not None:
                since = f"for {wording.seconds(flow.at - connection.answered)}"
            text = f"has not answered {since} ({connection.error}). What depends on it is shown as it was last known."
            return Note("bad", connection.name, text, f"{connection.name} does not answer.")
    return None


def stopped(flow: Flow) -> Note | None:
    """A unit that stands still, as too many events were bad, if there is any."""
    if not flow.stops:
        return None
    first, *others = flow.stops
    more = f" {wording.plural(len(others), 'more unit stands', 'more units stand')} still." if others else ""
    text = f"stands still since {wording.iso(first.at)}: {first.reason.rstrip('.')}.{more} Look, then let it go on."
    status = f"{first.reader} stands still on partition {first.partition} of {first.topic}."
    return Note("bad", first.reader, text, status, "streams#stops", "Show what stands still")


def _behind(flow: Flow) -> Note | None:
    late = flow.unusual
    if not late:
        return None
    unit = late[0]
    learner = next(item for item in flow.learners if unit in item.units)
    where = f"on partition {unit.unit.partition} of {unit.unit.topic}"
    how = "" if unit.behind is None or unit.behind.exact else "more than "
    seconds = wording.seconds(unit.behind.seconds if unit.behind else None)
    parts = [f"is {how}{seconds} behind {where}: {_waiting(unit)}{_until(unit, flow)}."]
    if len(late) > 1:
        parts.append(f"{wording.plural(len(late) - 1, 'more unit is', 'more units are')} behind.")
    titles = {item.title for item in flow.storages if unit in item.units}
    readers = sorted(item.name for item in flow.endpoints if item.facts.reads & titles)
    if readers:
        parts.append(f"Answers of {', '.join(readers)} use it.")
    return Note(
        "warn",
        learner.name,
        " ".join(parts),
        f"{learner.name} is behind on partition {unit.unit.partition}.",
        f"flow?show=learners/{learner.title}#units",
        f"Show units of {learner.name}",
    )


def _waiting(unit: UnitFigures) -> str:
    return wording.plural(unit.behind.events if unit.behind else 0, "event") + " to fold"


def _until(unit: UnitFigures, flow: Flow) -> str:
    """What the unit is doing about it, with the time it needs where that can be told."""
    if unit.condition is Condition.STANDS_STILL:
        return f", and it stands still; its last commit was {wording.ago(unit.committed, flow.at)}"
    if unit.condition is Condition.NOT_STARTED:
        return ", and it has not started"
    growth = next((item.rate for item in flow.topics if item.name == unit.unit.topic), None)
    share = (growth or 0.0) / max(1, sum(item.partitions for item in flow.topics if item.name == unit.unit.topic))
    gain = (unit.rate or 0.0) - share
    if unit.condition is Condition.CATCHING_UP and unit.behind and gain > 0:
        return (
            f", catching up at {wording.rate(gain)}, even again in about {wording.seconds(unit.behind.events / gain)}"
        )
    return ", keeping its distance" if unit.condition is Condition.BEHIND else f", {unit.condition.value}"


def unlogged(flow: Flow) -> Note | None:
    """Decisions that were lost in the last minute, or wait on disk; answers wait for neither."""
    show = ("endpoints", "Show endpoints")
    if flow.dropped:
        text = f"of {wording.plural(flow.dropped, 'answer')} were lost in the last minute: "
        text += (
            "Kafka takes too few of them, and neither queue nor spool has room." if _spooled(flow) else "see the log."
        )
        return Note("bad", "Decisions", text, "Decisions are lost.", *show)
    if _spooled(flow):
        text = f"wait on disk until Kafka takes them: {spool(flow)}. Answers go on."
        return Note("warn", "Decisions", text, "Decisions wait on disk.", *show)
    return None


def spool(flow: Flow) -> str:
    """What is on disk, in words; nothing where nothing is."""
    if not _spooled(flow):
        return ""
    age = wording.seconds(flow.decisions["spool_seconds"])
    return f"{wording.count(_spooled(flow))} in {wording.size(flow.decisions['spool_bytes'])}, the oldest for {age}"


def _spooled(flow: Flow) -> int:
    return flow.decisions.get("spooled", 0)


def refused(endpoints: Sequence[EndpointFigures]) -> Note | None:
    """Code that was saved and not taken, if there is any."""
    for endpoint in endpoints:
        for reason in endpoint.facts.refusals:
            text = f"has saved code that was refused: {reason} What answered before keeps answering."
            status = f"Saved code of {endpoint.name} was refused."
            return _of(endpoint, text, status)
    return None


def unable(endpoints: Sequence[EndpointFigures]) -> Note | None:
    """An implementation that asks a storage for what that cannot do, if there is any."""
    for endpoint in endpoints:
        for reason in endpoint.facts.faults:
            text = f"could not answer when it was last asked. {reason}"
            status = f"{endpoint.name} could not answer."
            return _of(endpoint, text, status)
    return None


def overloaded(endpoints: Sequence[EndpointFigures]) -> Note | None:
    """An endpoint type of which more is asked than can be answered in time, if there is any."""
    for endpoint in endpoints:
        if shed := endpoint.recent.shed:
            text = f"is asked more than can be answered in time: {wording.plural(shed, 'request')} of the last minute "
            text += "got 503 at once, so that the others were in time."
            return _of(endpoint, text, f"{endpoint.name} is overloaded.")
    return None


def failing(endpoints: Sequence[EndpointFigures]) -> Note | None:
    """An endpoint type whose implementations often gave no answer in the last minute, if there is any."""
    for endpoint in endpoints:
        if endpoint.failing and endpoint.failures:
            (failed, reason, instead), count = endpoint.failures[0]
            times = wording.plural(count, "time")
            text = f"had no answer of {failed} {times} in the last minute: {wording.reason(reason)}. "
            text += "Nothing stood in for it." if instead == NOBODY else f"Instead of it {_named(instead)} answered."
            status = f"{failed} of {endpoint.name} fails."
            return _of(endpoint, text, status)
    return None


def _of(endpoint: EndpointFigures, text: str, status: str) -> Note:
    return Note("bad", endpoint.name, text, status, f"endpoints?endpoint={endpoint.name}", "Show the endpoint")


def _named(instead: str) -> str:
    return {"default": "the default", "last-good": "the last good answer"}.get(instead, instead)
