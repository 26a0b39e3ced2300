"""Sends events to Kafka, encoded by their registered schemas, on the partitions that their keys choose."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from schemas.errors import MalformedEvent
from schemas.event import Event
from schemas.event_type import EventType
from schemas.registry_client import RegistryClient
from schemas.wire import frame
from streams.deliveries import Deliveries, OnDelivery, delivery_failed
from streams.errors import DeliveryFailed, KafkaUnavailable
from streams.kafka import LOGGER, Kafka, log_client_error, said

Headers = Sequence[tuple[str, bytes | None]]
_Report = Callable[[KafkaError | None, Message], None]

SOON, LATER = 0.002, 0.01
"""Seconds between two looks at acknowledgements on an event loop: while something waits for one, and while nothing
does."""
LEFT_ALONE = 0.1
"""Seconds without such a look after which the producer's own thread takes them."""
BY_KEY = -1
"""Instead of a partition: the one that the key chooses."""
LARGEST_EVENT = 1_000_000
"""Bytes of key and value that `deliver` sends: a little less than a topic takes unless it is told otherwise."""
_DEFAULTS: dict[str, Any] = {
    "linger.ms": 5,
    "delivery.timeout.ms": 30_000,
    "topic.metadata.propagation.max.ms": 5_000,  # an unknown topic is an error after this, not after half a minute
    "message.max.bytes": 2_097_152,  # the topic decides; dead letters are larger than what they keep
}
_FATAL = {KafkaError._FATAL, KafkaError._GAPLESS_GUARANTEE}
_PROMISES: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",  # as Java's client; librdkafka's own agrees with it on a quarter of the keys
}


class Producer:
    """Sends events; any thread may. Kafka gets each once and, key by key, in the order they were sent.

    Sending does not wait for Kafka: `flush` does, and says whether something failed. `kafka.options` may set
    `delivery.timeout.ms` (default 30 s), after which an event that Kafka did not acknowledge has failed, and
    `batch.size`, which must not be above what a topic takes at once (`max.message.bytes`, 1 MB unless changed): Kafka
    refuses a batch that is too large with all its events.
    """

    def __init__(
        self, kafka: Kafka, registry: RegistryClient, on_fatal: Callable[[Exception], None] = lambda error: None
    ) -> None:
        """`on_fatal` hears, on the producer's own thread, that nothing will be sent any more, nor acknowledged."""
        self.kafka = kafka
        self._registry, self._on_fatal = registry, on_fatal
        self._failed = 0
        self._first_failure: Exception | None = None
        self._failures = threading.Lock()
        self._client = Client(kafka.client(_DEFAULTS, {**_PROMISES, "error_cb": self._on_error}), logger=LOGGER)
        self._closed, self._polled = threading.Event(), -math.inf
        self._acknowledging = threading.Thread(target=self._acknowledge, name="millrace-producer", daemon=True)
        self._acknowledging.start()

    def emit(self, event: Event, on_delivery: OnDelivery | None = None) -> None:
        """Send an event of its class's type. See `send`."""
        self.send(event.event_type, event, on_delivery)

    def send(
        self, event_type: EventType, value: Mapping[str, Any] | Event, on_delivery: OnDelivery | None = None
    ) -> None:
        """Send one event. Does not block until the queue is full (100,000 events); then it waits for room.

        The first event of a type registers its schema, which blocks.

        Args:
            on_delivery: called as (error or None, partition, offset) on the producer's own thread, or on the loop of
                `acknowledge`; it must not block. A failure is then the caller's; without it, the next `flush` raises
                it.

        Raises:
            MalformedEvent: the value does not fit the schema.
            IncompatibleSchema, RegistryUnavailable: the registry refused the schema, or did not answer.
            TopicMissing, KafkaUnavailable: it cannot be sent now.
            DeliveryFailed: it cannot be sent at all.
        """
        payload = event_type.encode(self._registry.register(event_type), value)
        self.send_bytes(event_type.topic, _key_of(event_type, value), payload, on_delivery=on_delivery)

    def offer(self, event_type: EventType, body: bytes, key: bytes | None, on_delivery: OnDelivery) -> bool:
        """Send one event, whose Avro body is given, if that can be done without blocking: whether it was. It was not
        where the queue is full, or this process has not registered the schema yet. For the rest see `send`."""
        schema_id = self._registry.known(event_type)
        report = partial(_report, on_delivery)
        return schema_id is not None and self._queued(event_type.topic, key, frame(schema_id, body), (), report)

    def send_bytes(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        on_delivery: OnDelivery | None = None,
        partition: int = BY_KEY,
        timestamp_ms: int | None = None,
        patience: float = math.inf,
    ) -> None:
        """Send one message as it is. Blocks and raises as `send` does, and raises KafkaUnavailable where the queue has
        no room for `patience` seconds.

        Args:
            timestamp_ms: the log's time for it, if the topic takes that from its producers; None = now.
        """
        report = self._on_delivery if on_delivery is None else partial(_report, on_delivery)
        until = time.monotonic() + patience
        while not self._queued(topic, key, value, headers, report, partition, timestamp_ms):
            if time.monotonic() > until:
                raise KafkaUnavailable(f"Kafka has not taken an event of {topic} for {patience:g} s.")
            self._poll(0.05)

    async def deliver(
        self, event_type: EventType, values: Sequence[Mapping[str, Any] | Event]
    ) -> list[tuple[int, int]]:
        """Send events and wait until Kafka has them all. All are encoded before the first is sent.

        Returns:
            partition and offset of each.

        Raises:
            DeliveryFailed: Kafka did not acknowledge all of them; some may be in the log.
            MalformedEvent: a value does not fit its schema, or is too large; nothing was sent.
            IncompatibleSchema, RegistryUnavailable: nothing was sent.
        """
        if not values:
            return []
        schema_id = self._registry.known(event_type)
        if schema_id is None:
            schema_id = await asyncio.to_thread(self._registry.register, event_type)
        payloads = [(event_type.encode(schema_id, value), _key_of(event_type, value)) for value in values]
        for number, (payload, key) in enumerate(payloads, start=1):
            size = len(payload) + len(key or b"")
            if size > LARGEST_EVENT:
                raise MalformedEvent(f"Event {number} has {size:,} bytes with its key; {LARGEST_EVENT:,} are taken.")
        loop = asyncio.get_running_loop()
        complete = asyncio.Event()
        deliveries = Deliveries(len(values), lambda: _hop(loop, complete.set))
        for index, (payload, key) in enumerate(payloads):
            report = partial(_report, deliveries.acknowledged(index))
            while not self._queued(event_type.topic, key, payload, (), report):
                await asyncio.sleep(0.005)
        await complete.wait()
        deliveries.check()
        return deliveries.positions

    async def acknowledge(self) -> None:
        """Take acknowledgements on this event loop until it is cancelled, for whoever sends there. The producer's own
        thread takes them else, and would take turns with the loop for each, which costs more than to take them."""
        while not self._closed.is_set():
            self._polled = time.monotonic()
            self._poll(0)
            await asyncio.sleep(SOON if self.pending else LATER)

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything sent is acknowledged. Blocks up to `timeout` seconds.

        Raises:
            DeliveryFailed: events without an `on_delivery` failed since the last flush, or some are still under way
                when the time is up; those may yet arrive.
        """
        left = self._client.flush(timeout)
        with self._failures:
            failed, first = self._failed, self._first_failure
            self._failed, self._first_failure = 0, None
        if first is not None:
            raise delivery_failed(failed, None, first) from first
        if left:
            raise DeliveryFailed(
                f"Kafka has not acknowledged {left} events within {timeout:g} s; they may yet arrive.", left
            )

    @property
    def pending(self) -> int:
        """Events sent and not yet acknowledged."""
        return len(self._client)

    def close(self, timeout: float = 30.0) -> None:
        """Flush, then stop. Blocks and raises as `flush` does; the second call does nothing."""
        if self._closed.is_set():
            return
        try:
            self.flush(timeout)
        finally:
            self._closed.set()
            self._acknowledging.join()

    def abandon(self, timeout: float = 5.0) -> None:
        """Stop at once: what Kafka has not acknowledged has failed, though some of it may yet arrive. Blocks for a
        moment, until everybody has been told."""
        if self._closed.is_set():
            return
        self._client.purge()
        self._client.flush(timeout)
        self._closed.set()
        self._acknowledging.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _queued(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        report: _Report,
        partition: int = BY_KEY,
        timestamp_ms: int | None = None,
    ) -> bool:
        """Put a message into the client's queue; False when that is full."""
        try:
            if headers or timestamp_ms:
                own, at = list(headers) or None, timestamp_ms or 0  # 0 = now
                self._client.produce(topic, value, key, partition, report, timestamp=at, headers=cast(Any, own))
            else:  # in half the time
                self._client.produce(topic, value, key, partition, report)
        except BufferError:
            return False
        except KafkaException as failure:
            why = said(failure.args[0], f"Sending to {topic}", topic)
            raise (why if why.passes else DeliveryFailed(str(why))) from failure
        return True

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failure = _failure(error, message)
            with self._failures:
                self._failed += 1
                self._first_failure = self._first_failure or failure

    def _on_error(self, error: KafkaError) -> None:
        log_client_error(error)
        if error.fatal() or error.code() in _FATAL:
            self._on_fatal(said(error, "Sending"))

    def _acknowledge(self) -> None:
        while not self._closed.is_set():
            if time.monotonic() - self._polled < LEFT_ALONE:
                self._closed.wait(LEFT_ALONE / 2)
            else:
                self._poll(0.1)

    def _poll(self, timeout: float) -> None:
        """Take acknowledgements. A fatal error is raised by whichever poll comes to it, once."""
        try:
            self._client.poll(timeout)
        except KafkaException as failure:
            self._on_error(failure.args[0])


def _report(on_delivery: OnDelivery, error: KafkaError | None, message: Message) -> None:
    """What the client says of a message, to whoever sent it."""
    partition, offset = message.partition(), message.offset()
    try:
        if error is not None or partition is None or offset is None:
            on_delivery(None if error is None else _failure(error, message), -1, -1)
        else:
            on_delivery(None, partition, offset)
    except Exception:  # somebody else's: it is no matter of whoever takes acknowledgements
        LOGGER.exception("What was to hear of an acknowledgement has failed.")


def _failure(error: KafkaError, message: Message) -> Exception:
    topic = message.topic()
    return said(error, f"Sending to {topic}", topic)


def _key_of(event_type: EventType, value: Mapping[str, Any] | Event) -> bytes | None:
    if isinstance(value, Mapping):
        return event_type.key_of(value)
    return None if event_type.key is None else event_type.key_of({event_type.key: getattr(value, event_type.key)})


def _hop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the loop was closed meanwhile; nobody waits any more
        LOGGER.info("An acknowledgement came after its event loop was closed.")
