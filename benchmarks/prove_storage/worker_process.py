"""One worker under attack, in a process that the nursery has forked."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.prove_storage.product import event_type, learners
from benchmarks.prove_storage.steps import Step, Watched
from learners import Worker
from schemas import Codec, RegistryClient
from storage.technologies import opened
from streams import DeadLetters, Kafka, Producer


def run(
    kafka: str,
    registry: str,
    technology: str,
    url: str,
    topic: str,
    member: str,
    trace: str,
    step: dict[str, Any] | None = None,
) -> None:
    """Fold until SIGTERM.

    Args:
        technology: as `storage.technologies` names it.
        url: where it is, possibly by way of a proxy.
        step: a `Step`, for one that is to end at a step of its own.
    """
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s {member} %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    broker, schemas = Kafka(kafka), RegistryClient(registry)
    storage: Any = Watched(opened(technology, url), _Teller(Path(trace)), None if step is None else Step(**step))
    with Producer(broker, schemas) as producer:
        Worker(
            kafka=broker,
            codec=Codec(schemas),
            technology=storage,
            learners=learners(topic, technology),
            event_types={topic: event_type(topic)},
            dead_letters=DeadLetters(producer),
            group=topic,
            member=member,
            trace=Path(trace),
        ).run(stop)


class _Teller:
    """Adds lines to the worker's trace; one that was added survives a SIGKILL."""

    def __init__(self, trace: Path) -> None:
        self._file = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __call__(self, line: Mapping[str, Any]) -> None:
        stamped = {**line, "process": os.getpid(), "at": time.time()}
        os.write(self._file, json.dumps(stamped).encode() + b"\n")
