"""One worker of the chain under attack, in a process that the nursery has forked."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from benchmarks.prove_chain.product import PARTITIONS, Chain
from learners import Emitter, Worker
from learners.outbox import Outgoing
from schemas import Codec, RegistryClient
from storage import UnitId
from storage.technologies import opened
from streams import DeadLetters, Kafka, OnDelivery, Producer, Source


def run(
    kafka: str, registry: str, redis: str, name: str, member: str, trace: str, step: str = "", fate: str = "SIGKILL"
) -> None:
    """Fold until SIGTERM.

    Args:
        step: where to end, once it has begun: see `StepEmitter`.
    """
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s {member} %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    broker, schemas, chain = Kafka(kafka), RegistryClient(registry), Chain.of(name)
    emitter = StepEmitter(broker, schemas, step, signal.Signals[fate], Path(trace))
    with Producer(broker, schemas) as producer:
        Worker(
            kafka=broker,
            codec=Codec(schemas),
            technologies={"redis": opened("redis", redis)},
            learners=chain.learners,
            event_types=chain.event_types,
            dead_letters=DeadLetters(producer),
            group=name,
            member=member,
            trace=Path(trace),
            emitter=emitter,
        ).run(stop)


class StepEmitter(Emitter):
    """An emitter that ends its process at a step between the emission and the commit.

    The steps: `before` anything is sent; `sending`, when half is in the client's queue; `sent`, when all is, and most
    of it on its way; `acknowledged`, when Kafka has it all and the commit is not sent; `committed`, when that is sent.
    """

    CALLS = 5
    """The emission that it happens at, counted from the first."""

    def __init__(self, kafka: Kafka, registry: RegistryClient, step: str, fate: signal.Signals, trace: Path) -> None:
        super().__init__(kafka, registry, PARTITIONS)
        self._step, self._fate, self._calls, self._trace = step, fate, 0, trace
        self._left = 0

    def emit(self, unit: UnitId, events: Sequence[Outgoing], commit: Callable[[], Future[None]]) -> Future[None]:
        """Emit, and perhaps die."""
        self._calls += 1
        if self._calls < self.CALLS or not self._step:
            return super().emit(unit, events, commit)
        step, self._step = self._step, ""
        if step == "before":
            self._end(step)
        self._left = len(events) // 2 + 1 if step == "sending" else 0

        def at(name: str) -> None:
            if step == name:
                self._end(step)

        def committing() -> Future[None]:
            at("acknowledged")
            found = commit()
            at("committed")
            return found

        flight = super().emit(unit, events, committing)
        at("sent")
        return flight

    def _send(self, producer: Producer, source: Source, event: Outgoing, report: OnDelivery) -> None:
        self._left -= 1
        if self._left == 0:
            self._end("sending")
        super()._send(producer, source, event, report)

    def _end(self, step: str) -> None:
        line = json.dumps({"step": step, "process": os.getpid(), "at": time.time()}) + "\n"
        with self._trace.open("a", encoding="utf-8") as file:
            file.write(line)
        os.kill(os.getpid(), self._fate)
