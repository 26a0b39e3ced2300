"""The producer of a live service: straight to Kafka, or through a models service where there is no Kafka client."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from millrace.settings import Settings
from millrace_client.intake import IntakeProducer, OnDelivery
from schemas.errors import MillraceError
from schemas.event import Event


class _Emitting(Protocol):
    def emit(self, event: Event, on_delivery: OnDelivery | None = None) -> None: ...
    def flush(self, timeout: float = 30.0) -> None: ...
    def close(self) -> None: ...


class Producer:
    """Emits typed events; any thread may. Emitting waits for nobody, unless very much is under way already.

    `with mr.Producer(service="http://models:18080") as events: events.emit(Click(...))`. Leaving the block waits until
    Kafka has every event, and raises `DeliveryFailed` if one was refused.

    Args:
        service: address of a models service whose intake (`POST /events/{topic}`) takes the events. Left out, they go
            to Kafka, which needs the extra `millrace-client[kafka]`.
        settings: where Kafka and the registry are; read from `millrace.toml` and the environment when left out.
        key: shown to a models service that asks for one; left out, the one in the environment, `MILLRACE_API_KEY`.

    Raises:
        MillraceError: Kafka's client is not installed.
    """

    def __init__(self, service: str | None = None, settings: Settings | None = None, *, key: str | None = None) -> None:
        self._producer: _Emitting = _to_kafka(settings) if service is None else IntakeProducer(service, key)

    def emit(self, event: Event, on_delivery: OnDelivery | None = None) -> None:
        """Send an event. A failure is raised by the next `flush`, unless somebody is told of it.

        Args:
            on_delivery: called as (error or None, partition, offset) on another thread; it must not block. The position
                is -1 where a service has the event on its disk, as Kafka is away.

        Raises:
            SchemaError: its class has no topic. Straight to Kafka: or no usable schema, or a value that does not fit.
        """
        self._producer.emit(event, on_delivery)

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything emitted is acknowledged. Blocks up to `timeout` seconds.

        Raises:
            DeliveryFailed: events were refused since the last flush, or are still under way when the time is up.
        """
        self._producer.flush(timeout)

    def close(self) -> None:
        """Flush, then stop. Blocks and raises as `flush` does."""
        self._producer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _to_kafka(settings: Settings | None) -> _Emitting:
    try:
        from millrace.producer import Producer as KafkaProducer
    except ModuleNotFoundError as error:
        if error.name not in ("confluent_kafka", "fastavro"):
            raise
        raise MillraceError(
            f"To emit straight to Kafka needs {error.name}; install millrace-client[kafka], or emit through a models "
            'service: Producer(service="http://...").'
        ) from error
    return KafkaProducer(settings)
