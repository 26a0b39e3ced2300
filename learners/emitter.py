"""Sends what units emit, in the order of what it was emitted for, on partitions that never change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import Protocol

from learners.emission import PATIENCE, Emission, Trouble
from learners.errors import LearnerRefused
from learners.outbox import Outgoing
from schemas import EventType, RegistryClient
from schemas.wire import frame as wire_frame
from storage import UnitId
from streams import Kafka, OnDelivery, Producer, Source, StreamError, Topics, partition_of

log = logging.getLogger(__name__)

_PROMISES = {
    "delivery.timeout.ms": "0",  # an event that was given up, and the next one sent, would be a gap
    "enable.gapless.guarantee": "true",
}


class Emits(Protocol):
    """What a unit asks of an emitter."""

    def emit(self, unit: UnitId, events: Sequence[Outgoing], commit: Callable[[], Future[None]]) -> Future[None]:
        """Send events, and then the commit that goes with them."""


class Nobody:
    """Of a worker whose learners emit nothing."""

    def emit(self, unit: UnitId, events: Sequence[Outgoing], commit: Callable[[], Future[None]]) -> Future[None]:
        """Refuse."""
        raise LearnerRefused(f"{unit.learner} emits events, and its worker has no emitter.")


NOBODY = Nobody()


class Emitter:
    """One worker's producer of emitted events; each call belongs to the worker's thread.

    What a unit emits to one partition arrives in order and without a gap, up to some event, and nothing after that:
    what a reader's mark for a source rests on. So a producer that has failed once is given up with all it still holds.

    Args:
        partitions: of a topic that has to be made.
        settings: by topic, those of one that has to be made, under Kafka's names. One that has none here keeps its
            events as long as the topics that they follow from.
    """

    def __init__(
        self,
        kafka: Kafka,
        registry: RegistryClient,
        partitions: int = 4,
        settings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._kafka, self._registry, self._settings = kafka, registry, settings or {}
        self._sending = Kafka(kafka.bootstrap, {**kafka.options, **_PROMISES})
        self._new = partitions
        self._partitions: dict[str, int] = {}
        self._producer: Producer | None = None
        self._trouble = Trouble()

    def prepare(self, event_type: EventType, partitions: int | None = None, sources: Sequence[str] = ()) -> int:
        """Register what will be emitted and make its topic, if there is none; returns its partitions. Blocks.

        Args:
            partitions: of a topic that has to be made; None = as many as the platform's topics have.
            sources: the topics that its events follow from.

        Raises:
            IncompatibleSchema, RegistryUnavailable, KafkaUnavailable: it cannot be emitted now.
        """
        self._registry.register(event_type)
        with closing(Topics(self._kafka)) as topics:
            settings = self._settings.get(event_type.topic)
            count = topics.ensure_following(event_type.topic, partitions or self._new, sources, settings)
        self._partitions[event_type.topic] = count
        return count

    def emit(self, unit: UnitId, events: Sequence[Outgoing], commit: Callable[[], Future[None]]) -> Future[None]:
        """Send events; once Kafka has acknowledged all of them, send the commit. Blocks while the queue is full.

        Raises:
            KafkaUnavailable, DeliveryFailed: they cannot be sent now; some may have been.
        """
        source = Source(unit.learner, unit.version, unit.topic, unit.partition)
        producer = self._working()
        emission = Emission(len(events), commit, self._trouble)
        report = partial(_heard, self._trouble, emission.deliveries.acknowledged(0))
        try:
            for event in events:
                self._send(producer, source, event, report)
        except StreamError as error:
            self._trouble(error)
            raise
        return emission

    def close(self) -> None:
        """Send nothing more: what was not acknowledged is not committed, and is emitted again by the next owner."""
        if self._producer is not None:
            self._producer.abandon()
            self._producer = None

    def _send(self, producer: Producer, source: Source, event: Outgoing, report: OnDelivery) -> None:
        value = event.body if event.raw else wire_frame(self._registry.register(event.event_type), event.body)
        headers = [*source.headers(event.offset, event.number), *event.headers]
        place = self._place(source, event)
        topic, at = event.event_type.topic, event.timestamp_ms
        producer.send_bytes(topic, event.key, value, headers, report, place, at, patience=PATIENCE)

    def _place(self, source: Source, event: Outgoing) -> int:
        count = self._partitions[event.event_type.topic]
        return source.partition % count if event.key is None else partition_of(event.key, count)

    def _working(self) -> Producer:
        if self._trouble.reason is not None:
            log.warning("Emitting has failed, and what was not acknowledged is emitted again: %s", self._trouble.reason)
            self.close()
            self._trouble = Trouble()
        if self._producer is None:
            self._producer = Producer(self._sending, self._registry, self._trouble)
        return self._producer


def _heard(trouble: Trouble, report: OnDelivery, error: Exception | None, partition: int, offset: int) -> None:
    if error is not None:
        trouble(error)  # before anybody can emit again
    report(error, partition, offset)
