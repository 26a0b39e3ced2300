"""Workers of one group on a topic of its own, in threads of the test, over the real Kafka and registry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from threading import Event
from typing import Any

from learners import Worker, stream
from schemas import Codec, EventType, RegistryClient
from storage import Technology
from streams import DeadLetters, Kafka, Producer, Topics

PARTITIONS = 2


class Crew:
    """Starts workers, ends them as SIGTERM does, and sends events.

    Attributes:
        registry, codec: that all of them decode with.
        technology: that holds their storages.
    """

    def __init__(
        self,
        kafka: str,
        registry_url: str,
        technology: Technology,
        base: EventType,
        learners: Sequence[type[Any]],
        codec: type[Codec] = Codec,
    ) -> None:
        topic = f"crew-{uuid.uuid4().hex[:8]}"
        self.event_type = replace(base, topic=topic)
        self._kafka, self.technology = Kafka(kafka), technology
        self._learners = [type(item.__name__, (item,), {"ratings": stream(topic)}) for item in learners]
        self._opened = ExitStack()
        self.topics = self._opened.enter_context(closing(Topics(self._kafka)))
        self.registry = self._opened.enter_context(closing(RegistryClient(registry_url)))
        self.codec = codec(self.registry)
        self._producer = self._opened.enter_context(Producer(self._kafka, self.registry))
        self._threads = self._opened.enter_context(ThreadPoolExecutor(4, thread_name_prefix="worker"))
        self._running: dict[str, tuple[Worker, Event, Future[None]]] = {}
        self.topics.ensure(topic, PARTITIONS)
        self.registry.register(self.event_type)

    def send(self, events: Sequence[dict[str, Any]]) -> None:
        """Send events, and wait until Kafka has them."""
        for event in events:
            self._producer.send(self.event_type, event)
        self._producer.flush()

    def start(self, member: str, **options: Any) -> Worker:
        """Start a worker under this name."""
        worker = Worker(
            kafka=self._kafka,
            codec=self.codec,
            technologies={self.technology.name: self.technology},
            learners=self._learners,
            event_types={self.event_type.topic: self.event_type},
            dead_letters=DeadLetters(self._producer),
            group=f"millrace-{self.event_type.topic}",
            member=member,
            **options,
        )
        stop = Event()
        self._running[member] = worker, stop, self._threads.submit(worker.run, stop)
        return worker

    def stop(self, member: str) -> None:
        """Tell one to stop, and wait until it has."""
        _, stop, running = self._running.pop(member)
        stop.set()
        running.result(30)

    def positions(self) -> dict[str, dict[int, int]]:
        """Learner -> partition -> what is committed."""
        return {
            f"{item.storage}": {state.unit.partition: state.next or 0 for state in self.technology.units(item)}
            for item in self.technology.storages()
        }

    def ends(self) -> dict[int, int]:
        """Partition -> the end of its log."""
        return {at[1]: high for at, (_, high) in self.topics.ends([self.event_type.topic]).items()}

    def level(self) -> bool:
        """Whether all that was sent is committed by all."""
        found = self.positions()
        return bool(found) and all(positions == self.ends() for positions in found.values())

    def close(self) -> None:
        """End all that runs."""
        for _, stop, _ in self._running.values():
            stop.set()
        self._opened.close()


@contextmanager
def crew(*arguments: Any) -> Iterator[Crew]:
    """A crew for the time of the block."""
    with closing(Crew(*arguments)) as made:
        yield made
