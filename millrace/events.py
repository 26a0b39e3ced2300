"""Events as documents: what commands print of those that arrive, and of one that is looked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

from millrace.dead_letters import moment
from millrace.platform import Platform
from schemas.errors import MillraceError
from schemas.event_type import VALUE
from storage import UnitId, UnitState
from storage.event_times import event_times
from streams.log_view import Limit
from streams.logged import Told, as_json, told
from streams.looking import Known, Search
from streams.wanted import wanted

LARGEST = 32_000_000
"""Bytes that are read for the newest events."""
FAR, AT_ONCE = 10_000, 200
"""Events that are looked through for the newest with some words; and that are read each second while following."""
Place = tuple[str, int, int]


def row(item: Told) -> dict[str, Any]:
    """An event in a line."""
    return {
        "time": moment(item.event.timestamp_ms),
        "position": item.event.place,
        "key": item.event.key_text or None,
        "event": item.text or f"cannot be read: {item.why_not}",
    }


def newest(platform: Platform, topic: str, count: int, words: str) -> list[Told]:
    """The newest events of a topic that have all words, the newest last."""
    found: list[Told] = []
    with closing(platform.looking.view()) as view:
        for block in view.backwards(topic, Limit(FAR if words else count * 4, LARGEST)):
            found += [item for event in block if _has(item := told(event, platform.codec), words)]
            if len(found) >= count:
                break
    return sorted(found, key=_order)[-count:]


def following(platform: Platform, topic: str, words: str) -> Iterator[Told]:
    """Events as they come, without end."""
    with closing(platform.looking.view()) as view:
        reached = {at: high for at, (_, high) in view.ends(topic).items()}
        while True:
            time.sleep(1.0)
            ends = view.ends(topic)
            share = max(1, AT_ONCE // len(ends))
            spans = {at: (max(reached.get(at, low), high - share), high) for at, (low, high) in ends.items()}
            reached = {at: high for at, (_, high) in ends.items()}
            events = (told(event, platform.codec) for event in view.newest(topic, spans, LARGEST))
            yield from sorted((item for item in events if _has(item, words)), key=_order)


def sought(platform: Platform, text: str) -> tuple[Place | None, Search | None]:
    """The position of the event that is meant, and what a search for it has found; see `streams.wanted`."""
    subjects = {name.removesuffix(VALUE) for name in platform.registry.subjects() if name.endswith(VALUE)}
    topics = subjects.intersection(platform.topics.names())
    meant = wanted(text, topics)
    if meant.place is not None:
        return (meant.topic, *meant.place), None
    found = platform.looking.search(meant, topics)
    if not found.found:
        return None, found
    event = found.found[0].event
    return (event.topic, event.partition, event.offset), found


def about(platform: Platform, topic: str, partition: int, offset: int) -> dict[str, Any]:
    """What is known of the event at a position.

    Raises:
        MillraceError: the log does not hold it.
    """
    known = platform.looking.known(topic, partition, offset)
    if known.event is None and known.letter is None:
        raise MillraceError(f"{topic}/{partition} does not hold {offset}: it is not there yet, or not any more.")
    units, late, away = asyncio.run(_units(platform, topic, partition))
    return document(known, units, late, f"{topic}/{partition}/{offset}", offset) | {
        "not_looked_up": [*known.unread, *away]
    }


def document(
    known: Known, units: list[UnitState], late: Mapping[UnitId, int], place: str, offset: int
) -> dict[str, Any]:
    """The event, whole; but for what could not be looked up. `late` is how many events of a unit were."""
    item, letter = known.event, known.letter
    return {
        "position": place,
        "time": None if item is None else moment(item.event.timestamp_ms),
        "key": None if item is None else item.event.key_text or None,
        "id": None if item is None else item.id,
        "schema": None if item is None else item.schema or None,
        "event": None if item is None or item.value is None else as_json(item.value),
        "not_decoded": None if item is None else item.why_not or None,
        "refused": None if letter is None else f"{letter.title}: {letter.event.error}: {letter.event.reason}",
        "same_id_before": list(known.before),
        "same_id_again": list(known.again),
        "learners": {
            f"{state.unit.learner}@{state.unit.version}": _before(state.next or 0, offset)
            or known.became(state.unit.learner, late.get(state.unit, 0))
            for state in units
        },
        "answers_since": [asdict(answer) for answer in known.answers],
    }


def facts(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The event for people: a row for each fact that is known."""
    told = {name: value for name, value in found.items() if value not in (None, [], {})}
    shown = {
        **told,
        "learners": ", ".join(f"{name}: {state}" for name, state in found["learners"].items())
        or "none folds its topic",
        "answers_since": "; ".join(f"{one['endpoint']} after {one['after_ms']} ms" for one in found["answers_since"]),
    }
    return [{"fact": name.replace("_", " "), "value": str(value)} for name, value in shown.items() if value != ""]


async def _units(
    platform: Platform, topic: str, partition: int
) -> tuple[list[UnitState], dict[UnitId, int], list[str]]:
    """The units of a partition, how many late events each had, and which technologies did not say theirs."""
    async with platform.catalogue() as catalogue:
        await catalogue.refresh()
        units = {state.unit: state for states in catalogue.states().values() for state in states}
        late = {time.unit: time.late for time in await event_times(catalogue)}
        away = [f"learners in {name}: {found.error}" for name, found in catalogue.health().items() if found.error]
    mine = [state for unit, state in units.items() if (unit.topic, unit.partition) == (topic, partition)]
    return sorted(mine, key=lambda state: (state.unit.learner, state.unit.version)), late, away


def _before(following: int, offset: int) -> str:
    """What is to be done before a unit that folds the offset `following` next is past an offset; "" if it is."""
    first = offset - following
    if first < 0:
        return ""
    return f"not yet, {first:,} event{'s' * (first != 1)} first" if first else "not yet, it is next"


def _has(item: Told, words: str) -> bool:
    text = f"{item.event.key_text} {item.text or item.why_not}".lower()
    return all(word in text for word in words.lower().split())


def _order(item: Told) -> tuple[int, int, int]:
    return item.event.timestamp_ms, item.event.partition, item.event.offset
