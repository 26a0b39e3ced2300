"""`POST /events/{topic}`: events as JSON, checked against their schema and acknowledged when Kafka has them.

A body is one event, or with the content type `application/x-ndjson` one event per line. It is taken as a whole or not
at all: if a line is wrong, none of the body is sent, the problem names every wrong line with its number and field, and
the wrong lines are kept among the topic's dead letters, with their bytes. A body sent again with the same header
`idempotency-key` is delivered once by this process, and its events have the same ids wherever it is sent again. Where
there is a spool, events that are forced onto the disk are acknowledged while Kafka is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

import msgspec

from schemas import EventType
from schemas.errors import MalformedEvent, MillraceError
from serving.body import Disconnected, Receive, read_body
from serving.event_lines import DeadLetters, Lines, Positions, WrongLine, lines_of, parsed
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


Delivering = Callable[[Lines], Coroutine[Any, Any, Positions | None]]
"""Takes a body: partition and offset of each event, or None where all are on disk."""


class Intake:
    """ASGI application behind `POST /events/{topic}`."""

    def __init__(
        self, event_types: Mapping[str, EventType], deliver: Delivering, dead_letters: DeadLetters, metrics: Metrics
    ) -> None:
        self.event_types = event_types
        self._deliver, self._dead_letters, self._metrics = deliver, dead_letters, metrics
        self._repeats = Repeats()
        self._threads = Threads(1)  # its own: while Kafka is away keeping takes long, and must hold up nothing else

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Take one body."""
        try:
            answer = await self._taken(scope["path_params"]["topic"], scope["headers"], receive)
        except Problem as problem:
            await problem.send(send)
            return
        except Disconnected:
            return
        body = msgspec.json.encode(answer)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _taken(self, topic: str, headers: Sequence[tuple[bytes, bytes]], receive: Receive) -> dict[str, Any]:
        event_type = self.event_types.get(topic)
        if event_type is None:
            raise unknown("topic", topic, list(self.event_types))
        body, named = await read_body(receive, LIMIT), dict(headers)
        lines, key = lines_of(body, named.get(b"content-type", b"").lower()), named.get(b"idempotency-key")
        if not lines:
            raise Problem(400, "no-event", "The body holds no event.")
        values, wrong = await parsed(event_type, lines, key)
        if wrong:
            self._metrics.refused[topic] += len(wrong)
            raise _refusal(topic, wrong, len(lines), await self._kept(topic, wrong[:NAMED]))
        positions = await self._delivered(Lines(event_type, lines, values, key), body)
        if positions is None:
            return {"positions": [], "spooled": len(values)}
        self._metrics.accepted[topic] += len(positions)
        return {"positions": [{"topic": topic, "partition": place, "offset": at} for place, at in positions]}

    async def _delivered(self, lines: Lines, body: bytes) -> Positions | None:
        deliver, topic = partial(self._deliver, lines), lines.event_type.topic
        try:
            async with asyncio.timeout(PATIENCE):
                if lines.key is None:
                    return await deliver()
                return await self._repeats.once(topic, lines.key, body, len(lines.values), deliver)
        except TimeoutError:
            why = f"it did not acknowledge them within {PATIENCE:.0f} s"
        except MalformedEvent as error:
            raise Problem(400, "wrong-event", str(error)) from error
        except Problem:
            raise
        except MillraceError as error:
            why = str(error).rstrip(".")
        LOGGER.error("Events for %s were not taken: %s.", topic, why)
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
