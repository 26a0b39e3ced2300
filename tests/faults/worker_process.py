"""One worker as a process of its own, which a test may kill: python -m tests.faults.worker_process ..."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from learners import Worker
from schemas import Codec, RegistryClient
from storage import Redis
from streams import DeadLetters, Kafka, Producer
from tests.faults.product import event_type, learners


def main(bootstrap: str, registry_url: str, redis_url: str, topic: str, member: str, trace: str) -> None:
    """Fold until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    kafka, registry = Kafka(bootstrap), RegistryClient(registry_url)
    with Producer(kafka, registry) as producer:
        Worker(
            kafka=kafka,
            codec=Codec(registry),
            technologies={"redis": Redis(redis_url)},
            learners=learners(topic),
            event_types={topic: event_type(topic)},
            dead_letters=DeadLetters(producer),
            group=topic,
            member=member,
            trace=Path(trace),
        ).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
