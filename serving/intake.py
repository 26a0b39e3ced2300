"""`POST /events/{topic}`: events as JSON, checked against their schema and acknowledged when Kafka has them.

A body is one event, or with the content type `application/x-ndjson` one event per line. It is taken as a whole or not
at all: if a line is wrong, none of the body is sent, the problem names every wrong line with its number and field, and
the wrong lines are kept among the topic's dead letters, with their bytes. A body sent again with the same header
`idempotency-key` is delivered once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import msgspec

from schemas import EventType, parse_json
from schemas.errors import MalformedEvent, MillraceError
from serving.body import Disconnected, Receive, check_nesting, read_body
from serving.metrics import Metrics
from serving.problem import Problem, Send, unknown
from serving.repeats import Repeats
from serving.threads import Threads

LOGGER = logging.getLogger("millrace.intake")
LIMIT = 1024 * 1024
"""Bytes that a body may have."""
NAMED = 100
"""Wrong lines of one body that a problem names and that are kept as dead letters; it counts all. The client has them
still, and half a million lines of one digit must not become as many letters."""
PATIENCE = 10.0
"""Seconds to wait for Kafka's acknowledgement."""
SLICE = 100
"""Lines checked at a time; between them others are answered."""


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that is no event: its number from 1, the field that is wrong if one is, its bytes, and why."""

    number: int
    field: str | None
    value: bytes
    error: str
    reason: str


class Deliverer(Protocol):
    """Sends events and waits until Kafka has them all (streams.Producer); gives partition and offset of each."""

    async def deliver(self, event_type: EventType, values: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]: ...


class DeadLetters(Protocol):
    """Keeps what was refused before it had a position. Blocks until it is kept, or raises."""

    def keep(self, topic: str, lines: Sequence[WrongLine]) -> None: ...


class Intake:
    """ASGI application behind `POST /events/{topic}`."""

    def __init__(
        self, event_types: Mapping[str, EventType], deliverer: Deliverer, dead_letters: DeadLetters, metrics: Metrics
    ) -> None:
        self.event_types = event_types
        self._deliverer, self._dead_letters, self._metrics = deliverer, dead_letters, metrics
        self._repeats = Repeats()
        self._threads = Threads(1)  # its own: while Kafka is away keeping takes long, and must hold up nothing else

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Take one body."""
        try:
            positions = await self._taken(scope["path_params"]["topic"], scope["headers"], receive)
        except Problem as problem:
            await problem.send(send)
            return
        except Disconnected:
            return
        body = msgspec.json.encode({"positions": positions})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _taken(
        self, topic: str, headers: Sequence[tuple[bytes, bytes]], receive: Receive
    ) -> list[dict[str, str | int]]:
        event_type = self.event_types.get(topic)
        if event_type is None:
            raise unknown("topic", topic, list(self.event_types))
        body, named = await read_body(receive, LIMIT), dict(headers)
        lines = _lines(body, named.get(b"content-type", b"").lower())
        if not lines:
            raise Problem(400, "no-event", "The body holds no event.")
        values, wrong = await _parsed(event_type, lines)
        if wrong:
            self._metrics.refused[topic] += len(wrong)
            raise _refusal(topic, wrong, len(lines), await self._kept(topic, wrong[:NAMED]))
        positions = await self._delivered(event_type, values, named.get(b"idempotency-key"), body)
        self._metrics.accepted[topic] += len(positions)
        return [{"topic": topic, "partition": partition, "offset": offset} for partition, offset in positions]

    async def _delivered(
        self, event_type: EventType, values: Sequence[Mapping[str, Any]], key: bytes | None, body: bytes
    ) -> list[tuple[int, int]]:
        deliver = partial(self._deliverer.deliver, event_type, values)
        try:
            async with asyncio.timeout(PATIENCE):
                if key is None:
                    return await deliver()
                return await self._repeats.once(event_type.topic, key, body, len(values), deliver)
        except TimeoutError:
            why = f"it did not acknowledge them within {PATIENCE:.0f} s"
        except MalformedEvent as error:
            raise Problem(400, "wrong-event", str(error)) from error
        except MillraceError as error:
            why = str(error).rstrip(".")
        LOGGER.error("Events for %s were not taken: %s.", event_type.topic, why)
        raise Problem(503, "not-acknowledged", f"Kafka may not have these events: {why}. Send them again.")

    async def _kept(self, topic: str, wrong: Sequence[WrongLine]) -> bool:
        """Keep wrong lines; the client has them still, so that it is told of them even if they cannot be kept."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._threads.run(partial(self._dead_letters.keep, topic, wrong))
        except (MillraceError, TimeoutError) as error:
            LOGGER.error("%d wrong lines for %s could not be kept as dead letters: %s", len(wrong), topic, error)
            return False
        return True


def _lines(body: bytes, content_type: bytes) -> list[tuple[int, bytes]]:
    """The events of a body with the numbers of their lines; empty lines are none."""
    if b"ndjson" not in content_type and b"jsonl" not in content_type:
        return [(1, body)] if body.strip() else []
    return [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]


async def _parsed(
    event_type: EventType, lines: Sequence[tuple[int, bytes]]
) -> tuple[list[dict[str, Any]], list[WrongLine]]:
    values: list[dict[str, Any]] = []
    wrong: list[WrongLine] = []
    for place, (number, line) in enumerate(lines, start=1):
        try:
            check_nesting(line)
            values.append(parse_json(event_type, line))
        except MalformedEvent as error:
            wrong.append(WrongLine(number, error.field, line, type(error).__name__, str(error)))
        except Problem as error:  # nested too deep
            wrong.append(WrongLine(number, None, line, MalformedEvent.__name__, str(error)))
        if place % SLICE == 0:
            await asyncio.sleep(0)
    return values, wrong


def _refusal(topic: str, wrong: Sequence[WrongLine], lines: int, kept: bool) -> Problem:
    first = wrong[0]
    what = f"{len(wrong)} of {lines} events" if lines > 1 else "The event"
    where = f"line {first.number}: {first.reason}" if lines > 1 else first.reason
    return Problem(
        400,
        "wrong-event",
        f"{what} for {topic} cannot be taken, and nothing was sent. {where}"[:1000],
        errors=[{"line": item.number, "field": item.field, "detail": item.reason} for item in wrong[:NAMED]],
        wrong=len(wrong),
        dead_letters=kept,
    )
