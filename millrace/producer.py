"""The producer that users write with: `streams.Producer`, addressed by the settings."""

from __future__ import annotations

import streams
from millrace.settings import Settings
from schemas import RegistryClient


class Producer(streams.Producer):
    """Emits typed events to Kafka, registering their schemas on first use.

    `with mr.Producer() as events: events.emit(Click(...))`. Leaving the block waits until Kafka has acknowledged every
    event and raises `DeliveryFailed` if it refused one.

    Args:
        settings: where Kafka and the registry are; read from `millrace.toml` and the environment when left out.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings.load()
        self._registry = RegistryClient(settings.registry_url)
        super().__init__(streams.Kafka(settings.kafka, settings.kafka_options), self._registry)

    def close(self) -> None:
        """Deliver what is left, then let go of both connections. Blocks up to 30 seconds."""
        try:
            super().close()
        finally:
            self._registry.close()
