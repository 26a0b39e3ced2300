"""Events on disk while Kafka is away, so that the intake can take them all the same.

What Kafka has not acknowledged within two seconds, or refuses for a reason that passes, goes to the spool with all that
was sent and not acknowledged, and what comes after it goes there at once; each body is taken when it is forced onto the
disk. When Kafka is back the spool is sent from its oldest body on, and then bodies go straight to Kafka again. So the
order in which bodies came is that in which Kafka has them, topic by topic. The first tries of an outage stay in the
producer, which is given no time-out of its own and keeps them in order too: nothing is sent again while they may
arrive.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import msgspec

from schemas import EventType
from schemas.errors import MalformedEvent, MillraceError
from serving.event_lines import DeadLetters, Deliverer, Lines, Positions, WrongLine, parsed
from serving.metrics import Metrics
from serving.problem import Problem
from serving.spool import Found, Place, Spool
from serving.threads import Threads
from streams.errors import TopicMissing

Value = TypeVar("Value")

LOGGER = logging.getLogger("millrace.intake")
PATIENCE = 2.0
"""Seconds after which a body that is not acknowledged says that Kafka is away."""
PAUSE = 0.5
"""Seconds before the spool is sent again after a failure that passes by itself."""
MISSING = 60.0
"""Seconds that the spool waits for a topic that Kafka does not have, before its events are dead letters."""
TOGETHER = 64
"""Bodies of the spool that are sent at once."""


class _Record(msgspec.Struct, array_like=True):
    """A body in the spool: lines of JSON, so that no registry is needed to write them, and to read them later."""

    topic: str
    lines: list[bytes]
    key: bytes | None = None


@dataclass(eq=False)
class _First:
    """A body that was sent straight to Kafka and is not acknowledged. `keeping` puts it into the spool, at `place`."""

    lines: Lines
    task: asyncio.Task[list[tuple[int, int]]]
    outcome: asyncio.Future[Positions | None]
    keeping: asyncio.Task[None] | None = None
    place: Place | None = field(default=None)


class SpooledDeliverer:
    """Delivers bodies to Kafka, or to the spool. For one event loop, on which `run` runs all the time.

    Args:
        deliverer: a producer of its own that tries without end: see the module.
        event_types: by topic, as they are when the spool is sent.
        dead_letters: keeps what Kafka, or a changed event type, does not take any more.
    """

    def __init__(
        self,
        deliverer: Deliverer,
        spool: Spool,
        event_types: Mapping[str, EventType],
        dead_letters: DeadLetters,
        metrics: Metrics,
    ) -> None:
        self._deliverer, self._spool, self._dead_letters = deliverer, spool, dead_letters
        self._event_types, self._metrics = event_types, metrics
        self._threads = Threads(1)  # the spool's own: nothing else touches its files
        self._firsts: dict[_First, None] = {}
        self._queue: list[tuple[bytes, asyncio.Future[Place | None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._away, self._wake = True, asyncio.Event()

    async def deliver(self, lines: Lines) -> Positions | None:
        """Take a body: partition and offset of each event, or None where it is on disk.

        Raises:
            Problem: 503, neither Kafka nor the disk takes it.
            MillraceError: as the deliverer's.
        """
        if self._away:
            _must_fit(lines)
            await self._kept(lines)
            return None
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(self._deliverer.deliver(lines.event_type, lines.values))
        first = _First(lines, task, loop.create_future())
        first.outcome.add_done_callback(lambda done: done.cancelled() or done.exception())  # its client may have left
        self._firsts[first] = None
        late = loop.call_later(PATIENCE, self._begin)
        task.add_done_callback(lambda _: self._settle(first))
        try:
            return await asyncio.shield(first.outcome)
        finally:
            late.cancel()

    async def run(self) -> None:
        """Send what is in the spool, whenever there is something, until it is cancelled."""
        found = await self._with_spool(self._spool.open)
        if found:
            LOGGER.warning("%d bodies of events were left in the spool; they are sent first.", found)
        try:
            while True:
                await self._send()
                await self._wake.wait()
        finally:
            await asyncio.shield(self._threads.run(self._spool.close))

    def _settle(self, first: _First) -> None:
        """A first try has ended."""
        if first.task.cancelled():
            first.outcome.cancel()
            return
        error = first.task.exception()
        if first.keeping is not None:
            return  # `_send` looks at it
        if error is not None and _passes(error) and not _is_missing(error):
            self._begin()
            return
        del self._firsts[first]
        if error is None:
            _resolve(first.outcome, first.task.result())
        elif not first.outcome.done():
            first.outcome.set_exception(error)

    def _begin(self) -> None:
        """Kafka is away: what waits for it goes to the spool, oldest first, and what comes after it too."""
        if self._away:
            return
        self._away = True
        LOGGER.warning("Kafka does not take events; they are kept in the spool until it does.")
        for first in self._firsts:
            first.keeping = asyncio.create_task(self._keep(first, self._written(first.lines)))
        self._wake.set()

    async def _keep(self, first: _First, written: asyncio.Future[Place | None]) -> None:
        first.place = await written
        if first.place is not None:
            self._metrics.spooled[first.lines.event_type.topic] += len(first.lines.values)
            _resolve(first.outcome, None)
        elif not first.outcome.done():
            first.outcome.set_exception(self._full())

    async def _kept(self, lines: Lines) -> None:
        if await self._written(lines) is None:
            raise self._full()
        self._metrics.spooled[lines.event_type.topic] += len(lines.values)

    def _written(self, lines: Lines) -> asyncio.Future[Place | None]:
        """Where the body is once it is on the disk; None if it was not taken. Those that wait are forced together."""
        body = msgspec.msgpack.encode(_Record(lines.event_type.topic, [line for _, line in lines.numbered], lines.key))
        future: asyncio.Future[Place | None] = asyncio.get_running_loop().create_future()
        self._queue.append((body, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return future

    async def _write(self) -> None:
        while self._queue:
            batch, self._queue = self._queue, []
            now = time.time_ns() // 1_000_000
            places = await self._with_spool(partial(self._spool.put, [(now, body) for body, _ in batch]))
            for (_, future), place in zip(batch, [*places, *[None] * len(batch)], strict=False):
                _resolve(future, place)
        self._writing = None
        self._wake.set()

    async def _with_spool(self, use: Callable[[], Value]) -> Value:
        """Do something with the spool, on the one thread that does."""
        found, self._metrics.spool_bytes = await self._threads.run(lambda: (use(), self._spool.size))
        return found

    def _full(self) -> Problem:
        why = self._spool.error or "the spool has no room left"
        LOGGER.error("Events were not taken: Kafka is away, and %s.", why)
        return Problem(
            503, "not-acknowledged", "Kafka is away, and there is no room to keep these events. Send them again."
        )

    async def _send(self) -> None:
        """Send all of the spool; then bodies go straight to Kafka again."""
        self._wake.clear()
        arrived = set[Place]()
        while True:
            arrived |= await self._arrived()
            found = await self._with_spool(partial(self._spool.read, TOGETHER))
            if found:
                await self._replay([record for record in found if record.place not in arrived])
                await self._with_spool(partial(self._spool.release, None))
            elif self._writing is None and self._spool.at_end:
                if self._away:
                    self._away = False
                    LOGGER.info("The spool of events is empty; Kafka takes them again.")
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _arrived(self) -> set[Place]:
        """Where those bodies are that the first try has brought to Kafka after all; waits until all have ended."""
        firsts = [first for first in self._firsts if first.keeping is not None]
        await asyncio.gather(*(first.task for first in firsts), return_exceptions=True)
        while self._writing is not None:
            await asyncio.shield(self._writing)
        found = set()
        for first in firsts:
            del self._firsts[first]
            if first.task.exception() is None:
                self._metrics.accepted[first.lines.event_type.topic] += len(first.lines.values)
                found |= {first.place} if first.place is not None else set()
        return found

    async def _replay(self, records: Sequence[Found]) -> None:
        """Send bodies until Kafka has them all, topic by topic, or until they are dead letters."""
        bodies = [msgspec.msgpack.decode(record.body, type=_Record) for record in records]
        topics = groupby(sorted(bodies, key=lambda body: body.topic), key=lambda body: body.topic)
        await asyncio.gather(*(self._replay_topic(topic, list(group)) for topic, group in topics))

    async def _replay_topic(self, topic: str, bodies: Sequence[_Record]) -> None:
        said, until = False, time.monotonic() + MISSING
        while True:
            try:
                await self._sent(topic, bodies)
                return
            except Exception as error:
                never = not _passes(error) or (_is_missing(error) and time.monotonic() > until)
                if never and len(bodies) > 1:  # one of them: find it
                    for body in bodies:
                        await self._replay_topic(topic, [body])
                    return
                if never and await self._buried(topic, bodies[0], error):
                    return
                if not said:
                    LOGGER.warning("Events of the spool wait: %s", error)
                said = True
            await asyncio.sleep(PAUSE)

    async def _sent(self, topic: str, bodies: Iterable[_Record]) -> None:
        event_type = self._event_types.get(topic)
        if event_type is None:
            raise MalformedEvent(f"No product here takes events of {topic} any more.")
        values: list[Mapping[str, Any]] = []
        for body in bodies:
            found, wrong = await parsed(event_type, list(enumerate(body.lines, 1)), body.key)
            if wrong:
                raise MalformedEvent(wrong[0].reason)
            values += found
        await self._deliverer.deliver(event_type, values)
        self._metrics.accepted[topic] += len(values)

    async def _buried(self, topic: str, body: _Record, error: Exception) -> bool:
        """Keep what will never be taken as dead letters: whether that was done."""
        lines = [
            WrongLine(number, None, line, type(error).__name__, str(error)) for number, line in enumerate(body.lines)
        ]
        try:
            await asyncio.to_thread(self._dead_letters.keep, topic, lines)
        except MillraceError as failure:
            LOGGER.warning("Events of the spool wait: %s", failure)
            return False
        LOGGER.error("%d events of the spool are dead letters of %s now: %s", len(lines), topic, error)
        self._metrics.refused[topic] += len(lines)
        return True


def _must_fit(lines: Lines) -> None:
    """Refuse what Kafka would refuse later. Raises MalformedEvent as the deliverer does."""
    for value in lines.values:
        lines.event_type.key_of(value)
        lines.event_type.writer.write(value, lines.event_type.topic)


def _passes(error: BaseException) -> bool:
    """Whether the same may succeed later. What was not delivered says why by its cause."""
    cause = error.__cause__ if isinstance(error.__cause__, MillraceError) else error
    return isinstance(cause, MillraceError) and cause.passes


def _is_missing(error: BaseException) -> bool:
    """Whether the topic does not exist: Kafka is there, and other topics need not wait."""
    return isinstance(error, TopicMissing) or isinstance(error.__cause__, TopicMissing)


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
