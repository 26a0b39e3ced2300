"""What a unit emits arrives without a gap: after an event that Kafka refuses comes nothing, until all is sent anew."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass

import pytest

from benchmarks.prove_chain.repeats import emissions
from learners import Emitter
from learners.outbox import Outgoing
from schemas import Event, EventType, RegistryClient
from storage import UnitId
from streams import DeliveryFailed, Kafka, Topics
from streams.sources import INDEX_BITS


class Note(Event, topic="notes"):
    """A text of some length."""

    text: str


UNIT = UnitId("notes", 1, 1, "clicks", 0)


@dataclass
class Place:
    """A topic that takes 20,000 bytes at once, and an emitter to it whose batches are of one event."""

    kafka: Kafka
    topics: Topics
    emitter: Emitter
    kind: EventType

    def events(self, start: int, *sizes: int) -> list[Outgoing]:
        """Events of these sizes, for the offsets from `start` on."""
        return [self._event(offset, size) for offset, size in enumerate(sizes, start)]

    def _event(self, offset: int, size: int) -> Outgoing:
        return Outgoing(self.kind, None, self.kind.writer.write({"text": "x" * size}, self.kind.topic), offset, 0)

    def log(self) -> list[int]:
        """The offsets of all that has arrived."""
        ends = {place: high for (_, place), (low, high) in self.topics.ends([self.kind.topic]).items() if high > low}
        return sorted(at >> INDEX_BITS for _, at, _ in emissions(self.kafka, self.kind.topic, ends).elements())


@pytest.fixture
def place(kafka: str, registry_url: str) -> Iterator[Place]:
    topic = f"notes-{uuid.uuid4().hex[:8]}"
    broker = Kafka(kafka, {"batch.num.messages": "1"})
    kind = EventType(topic, {**Note.event_type.schema, "millrace.topic": topic})
    with closing(Topics(broker)) as topics, closing(RegistryClient(registry_url)) as registry:
        topics.ensure(topic, 1, {"max.message.bytes": "20000"})
        with closing(Emitter(broker, registry)) as emitter:
            emitter.prepare(kind)
            yield Place(Kafka(kafka), topics, emitter, kind)


def committed() -> Future[None]:
    """A commit that succeeds."""
    done: Future[None] = Future()
    done.set_result(None)
    return done


@pytest.mark.server
def test_after_an_event_that_kafka_refuses_nothing_arrives_until_all_is_sent_anew(place: Place) -> None:
    commits = []

    def commit() -> Future[None]:
        commits.append(1)
        return committed()

    place.emitter.emit(UNIT, place.events(0, 10, 10), commit).result()
    assert (place.log(), len(commits)) == ([0, 1], 1)
    sizes = [10, 10, 30_000, *[10] * 50]
    with pytest.raises(DeliveryFailed, match="Message size too large"):
        place.emitter.emit(UNIT, place.events(2, *sizes), commit).result()
    assert (place.log(), len(commits)) == ([0, 1, 2, 3], 1)
    sizes[2] = 10
    place.emitter.emit(UNIT, place.events(2, *sizes), commit).result()
    assert (place.log(), len(commits)) == (sorted([0, 1, 2, 3, *range(2, 55)]), 2)
