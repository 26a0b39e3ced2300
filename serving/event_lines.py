"""A body of the intake as events: its lines, checked against their event type, and who takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol
from uuid import UUID

from schemas import EventType, parse_json
from schemas.errors import MalformedEvent
from serving.body import check_nesting
from serving.problem import Problem

MOST_LINES = 50_000
"""Lines that a body may have."""
LONGEST_LINE = 1_000_000
"""Bytes that a line may have: a little less than a topic takes unless it is told otherwise."""
SLICE = 100
"""Lines checked at a time; between them others are answered."""

Numbered = Sequence[tuple[int, bytes]]
"""Lines with their numbers from 1."""
Positions = list[tuple[int, int]]
"""Partition and offset of each event."""


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that is no event: its number from 1, the field that is wrong if one is, its bytes, and why."""

    number: int
    field: str | None
    value: bytes
    error: str
    reason: str


@dataclass(frozen=True, eq=False)
class Lines:
    """The events of one body: their lines as they came, their values, and the `idempotency-key` of the body if it has
    one."""

    event_type: EventType
    numbered: Numbered
    values: Sequence[Mapping[str, Any]]
    key: bytes | None = None


class Deliverer(Protocol):
    """Sends events and waits until Kafka has them all (streams.Producer); gives partition and offset of each."""

    async def deliver(self, event_type: EventType, values: Sequence[Mapping[str, Any]]) -> Positions: ...


class DeadLetters(Protocol):
    """Keeps what was refused before it had a position. Blocks until it is kept, or raises."""

    def keep(self, topic: str, lines: Sequence[WrongLine]) -> None: ...


def lines_of(body: bytes, content_type: bytes) -> list[tuple[int, bytes]]:
    """The events of a body with the numbers of their lines; empty lines are none.

    Raises:
        Problem: 413, there are too many.
    """
    if b"ndjson" not in content_type and b"jsonl" not in content_type:
        return [(1, body)] if body.strip() else []
    if body.count(b"\n") > MOST_LINES:
        raise Problem(
            413, "too-many-lines", f"The body has more than {MOST_LINES:,} lines; send less.", limit=MOST_LINES
        )
    return [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]


async def parsed(
    event_type: EventType, lines: Numbered, key: bytes | None = None
) -> tuple[list[dict[str, Any]], list[WrongLine]]:
    """The lines that are events, and those that are none.

    Args:
        key: by which the client sends the same body again; events without an id get one from it.
    """
    values: list[dict[str, Any]] = []
    wrong: list[WrongLine] = []
    id = _text_id(event_type) if key is not None else None
    for place, (number, line) in enumerate(lines, start=1):
        try:
            if len(line) > LONGEST_LINE:
                raise MalformedEvent(f"The line has {len(line):,} bytes; {LONGEST_LINE:,} are taken.")
            check_nesting(line)
            value = parse_json(event_type, line)
            if key is not None and id is not None and value[id] is None:
                value[id] = _id(event_type.topic, key, place, line)
            values.append(value)
        except MalformedEvent as error:
            wrong.append(WrongLine(number, error.field, line, type(error).__name__, str(error)))
        except Problem as error:  # nested too deep
            wrong.append(WrongLine(number, None, line, MalformedEvent.__name__, str(error)))
        if place % SLICE == 0:
            await asyncio.sleep(0)
    return values, wrong


def _text_id(event_type: EventType) -> str | None:
    """The field of the events' id, where that is a text."""
    shapes = [field.type for field in event_type.shape.fields if field.name == event_type.id]
    return event_type.id if any((shape.optional or shape).kind == "string" for shape in shapes) else None


def _id(topic: str, key: bytes, place: int, line: bytes) -> str:
    """An event's id: the same when the same body comes again under its key, to whichever replica, whenever."""
    digest = blake2b(b"%s %d %d %s %s" % (topic.encode(), place, len(key), key, line), digest_size=16)
    return str(UUID(bytes=digest.digest()))
