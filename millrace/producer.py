"""The producer that users write with: `streams.Producer`, addressed by the settings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from millrace.settings import Settings
from schemas.event import Event
from schemas.event_type import EventType
from schemas.registry_client import RegistryClient
from streams import producer
from streams.deliveries import OnDelivery
from streams.kafka import Kafka
from streams.topics import Topics


class Producer(producer.Producer):
    """Emits typed events to Kafka; the first event of a type registers its schema and creates its topic.

    `with mr.Producer() as events: events.emit(Click(...))`. Leaving the block waits until Kafka has acknowledged every
    event and raises `DeliveryFailed` if it refused one.

    Args:
        settings: where Kafka and the registry are; read from `millrace.toml` and the environment when left out.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings.load()
        self._registry = RegistryClient(settings.registry_url)
        super().__init__(Kafka(settings.kafka, settings.kafka_options), self._registry)
        self._partitions = settings.partitions
        self._ensured: set[str] = set()

    def send(
        self, event_type: EventType, value: Mapping[str, Any] | Event, on_delivery: OnDelivery | None = None
    ) -> None:
        """See `streams.Producer.send`."""
        if event_type.topic not in self._ensured:
            with closing(Topics(self.kafka)) as topics:
                topics.ensure(event_type.topic, self._partitions)
            self._ensured.add(event_type.topic)
        super().send(event_type, value, on_delivery)

    def close(self, timeout: float = 30.0) -> None:
        """Deliver what is left, then let go of both connections. Blocks up to `timeout` seconds."""
        try:
            super().close(timeout)
        finally:
            self._registry.close()
