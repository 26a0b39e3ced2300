"""Find event: what the Flow page shows of an event that somebody looks for, by position, id, key or fields."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from schemas.errors import MillraceError
from serving.measurements import Flow, Found, Measurements
from serving.threads import Threads
from storage.kept import SEEN, kept
from streams.dead_letters.letter import hex_dump
from streams.logged import Told, as_json
from streams.looking import Answer, Known, Looking, Search
from streams.wanted import wanted

Query = Mapping[str, str]
PATIENCE = 20.0
"""Seconds that a page waits for what is found."""
DUMPED = 256
"""Bytes that are shown of an event that cannot be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that the event may have changed: a storage that a learner of it writes, and the event's key."""

    title: str
    place: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as the page shows it.

    Attributes:
        dropping, counting: learners that have folded it and drop repeats, and that do not.
        became: what became of it for each learner that is past it.
    """

    told: Told | None
    fields: str
    dump: str
    known: Known
    rows: Sequence[Row] = ()
    dropping: Sequence[str] = ()
    counting: Sequence[str] = ()
    became: Sequence[tuple[str, str]] = ()

    @property
    def first(self) -> Answer | None:
        """The first answer since."""
        return self.known.answers[0] if self.known.answers else None


class Finding:
    """Looks for events on behalf of the Flow page."""

    def __init__(self, looking: Looking) -> None:
        self._looking, self._threads = looking, Threads(4)

    async def place(self, flow: Flow, asked: str) -> tuple[str, Search | None]:
        """The position of what is asked for, topic/partition/offset, and what a search for it has found; "" where there
        is none.

        Raises:
            MillraceError: what is asked names no event, or Kafka is away.
        """
        topics = [topic.name for topic in flow.topics]
        meant = wanted(asked, topics)
        if meant.place is not None:
            return f"{meant.topic}/{meant.place[0]}/{meant.place[1]}", None
        async with asyncio.timeout(PATIENCE):
            found = await self._threads.run(partial(self._looking.search, meant, topics))
        return (found.found[0].event.place if found.found else ""), found

    async def about(self, flow: Flow, found: Found) -> dict[str, Any]:
        """What is known of an event that was found, for sought.html; why not, where that cannot be said.

        Nothing of topics that the page does not have: among Kafka's others are the platform's own."""
        if found.partition[0] not in {topic.name for topic in flow.topics}:
            return {}
        place = *found.partition, found.offset
        try:
            async with asyncio.timeout(PATIENCE):
                known = await self._threads.run(partial(self._looking.known, *place))
        except TimeoutError:
            return {"not_sought": f"Kafka has not given the event within {PATIENCE:g} s."}
        except MillraceError as error:
            return {"not_sought": str(error)}
        return {"shown": _shown(flow, found, known)}


async def prepared(finding: Finding, measurements: Measurements, query: Query) -> tuple[str, dict[str, Any]]:
    """The position that is found, "" where there is none, and values for sought.html."""
    asked, flow = query.get("event", "").strip(), measurements.flow()
    if not asked or flow is None:
        return "", {}
    kept = urlencode({name: value for name, value in query.items() if name != "event"})
    values: dict[str, Any] = {"search": kept, "wrong": False}
    try:
        place, found = await finding.place(flow, asked)
    except TimeoutError:
        return "", values | {"not_sought": f"Kafka has not given what was looked for within {PATIENCE:g} s."}
    except MillraceError as error:
        return "", values | {"not_sought": str(error)}
    return place, values | {"matches": found}


def _shown(flow: Flow, found: Found, known: Known) -> Shown:
    event = known.event
    folded = {passage.learner.title: passage.learner.name for passage in found.passages if passage.folded}
    written = [item for item in flow.storages if item.descriptor.writer in folded]
    drops = {item.descriptor.name.removesuffix(SEEN) for item in written if kept(item.descriptor) == SEEN}
    late = {time.unit: time.late for time in flow.event_times}
    became = [
        (
            passage.learner.title,
            known.became(passage.learner.name, late.get(passage.unit.unit, 0), passage.learner.name in drops),
        )
        for passage in found.passages
        if passage.folded
    ]
    if event is None:
        return Shown(None, "", "", known, became=became)
    names = sorted(set(folded.values()))
    own = [item for item in written if not kept(item.descriptor)] if event.event.key_text else []
    return Shown(
        event,
        as_json(event.value, 2) if event.value is not None else "",
        hex_dump((event.event.value or b"")[:DUMPED]) if event.why_not else "",
        known,
        [Row(item.title, "/".join(item.place)) for item in own],
        [name for name in names if name in drops],
        [name for name in names if name not in drops],
        became,
    )
