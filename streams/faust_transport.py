"""Faust's connection to Kafka, with positions that pass nothing: neither an event nor what was sent because of it.

Faust's own commits over an event that is still worked on where a later one is done (its issue 606), gives up waiting
for its queue after 0.1 s, and goes on behind a message that Kafka did not take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Protocol, cast

from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka
from faust.types.tuples import TP, FutureMessage, Message


class Failing(Protocol):
    """An app that may have failed: `streams.faust.FaustApp`."""

    failure: BaseException | None

    def failed(self, error: BaseException) -> None:
        """Remember the first failure."""


class SureProducer(aiokafka.Producer):
    """Knows what is under way; `flush`, which Faust calls before each commit, waits for that."""

    def __post_init__(self) -> None:
        """Called by Faust's constructor."""
        super().__post_init__()
        self._under_way: set[asyncio.Future[Any]] = set()

    def send_soon(self, fut: FutureMessage) -> None:
        """Put a message into the queue: a change of a table."""
        self._follow(fut)
        super().send_soon(fut)

    async def send(self, *args: Any, **options: Any) -> Awaitable[Any]:
        """Send a message; the future that is returned is done when Kafka has it."""
        sent = await super().send(*args, **options)
        self._follow(cast("asyncio.Future[Any]", sent))
        return sent

    async def flush(self) -> None:
        """Wait until Kafka has everything that was sent before this call.

        Raises:
            ProducerSendError: it did not take a message, or an agent has failed; nothing is committed any more.
        """
        waited_for = set(self._under_way)
        await super().flush()
        if waited_for:
            await asyncio.wait(waited_for)
        failure = self._failing.failure
        if failure is not None:
            raise ProducerSendError(f"No position is committed any more, after {failure!r}.") from failure

    @property
    def _failing(self) -> Failing:
        return cast(Failing, self.app)

    def _follow(self, sent: asyncio.Future[Any]) -> None:
        self._under_way.add(sent)
        sent.add_done_callback(self._arrived)

    def _arrived(self, sent: asyncio.Future[Any]) -> None:
        self._under_way.discard(sent)
        error = asyncio.CancelledError("A message was given up.") if sent.cancelled() else sent.exception()
        if error is not None:
            self._failing.failed(error)


class SureConsumer(aiokafka.Consumer):
    """Knows which events are not done; a position stays before the first of them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """See Faust's."""
        super().__init__(*args, **options)
        self._not_done: dict[TP, dict[int, Message]] = {}
        self._deliver, self.callback = self.callback, self._take

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """What was taken of these partitions is read again, here or elsewhere."""
        await super().on_partitions_revoked(revoked)
        self._forget(revoked)

    async def _take(self, message: Message) -> None:
        if self.app.topics.acks_enabled_for(message.topic):
            taken = self._not_done.setdefault(message.tp, {})
            if taken and message.offset < next(reversed(taken)):  # it is read again from here on
                taken.clear()
            taken[message.offset] = message
        await self._deliver(message)

    def _forget(self, partitions: Iterable[TP]) -> None:
        for partition in partitions:
            self._not_done.pop(partition, None)

    def _new_offset(self, tp: TP) -> int | None:
        taken = self._not_done.get(tp, {})
        for offset in [offset for offset, message in taken.items() if message.acked]:
            del taken[offset]
        if not taken:
            return super()._new_offset(tp)
        acked, first = self._acked[tp], next(iter(taken))
        later = [offset for offset in acked if offset > first]
        acked[:] = [offset for offset in acked if offset < first]
        found = super()._new_offset(tp)
        acked += later
        return found


class Transport(aiokafka.Transport):
    """Faust's transport, with these two."""

    Consumer = SureConsumer
    Producer = SureProducer
