"""Archives every topic that asks for it, as one of the processes that do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Event
from zlib import crc32

from schemas import Codec, EventType
from schemas.codec import SchemaSource
from schemas.errors import RegistryUnavailable, SchemaError
from streams.archive.desk import Desk
from streams.archive.shelf import Shelf
from streams.archive.upkeep import Upkeep
from streams.archive.writers import Writers
from streams.consumer import Consumer
from streams.dead_letters.dead_letters import DeadLetters
from streams.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    DeliveryFailed,
    KafkaUnavailable,
    PositionOutsideLog,
    TopicMissing,
)
from streams.fetched import Fetched
from streams.kafka import Kafka
from streams.owner import Partition
from streams.topics import Topics

LOGGER = logging.getLogger("millrace.archive")
GROUP = "millrace.archive"
"""No product's: these are called `millrace-<product>`, and who folds a learner is told by that."""
LOOK = 2.0
"""Seconds between two looks at which topics ask to be archived."""
AT_ONCE = 100_000
"""Events that one poll takes."""
COMMITS_AT_ONCE = 2
PATIENCE = 15.0
"""Seconds that the last commits may take, once it is to end."""

Wanted = Callable[[], Mapping[str, EventType]]
"""The event types that ask to be archived, by topic, each as it is registered now. Blocks."""


class Archiver:
    """Reads the topics from where their archives stand, and archives them every few seconds.

    It may be killed at any moment: positions are in the archive, in the same commit as the rows before them. Events
    that cannot be read go to the dead letters and are not archived.

    Args:
        schemas: of those who write events.
        wanted: asked every two seconds, and as soon as an event comes that another schema has written: what was read
            until then is read again by what is wanted now, so that no new field of it is left out.
        member: this process's lasting name in the group of all archivers.
        patience: seconds that events are gathered for a commit.
        memory: bytes of rows in memory; above that nothing more is read until a commit has ended.
    """

    def __init__(
        self,
        kafka: Kafka,
        schemas: SchemaSource,
        wanted: Wanted,
        shelf: Shelf,
        dead_letters: DeadLetters,
        member: str,
        patience: float = 30.0,
        memory: int = 256 << 20,
        upkeep: Upkeep | None = None,
        group: str = GROUP,
    ) -> None:
        self._kafka, self._wanted, self._shelf = kafka, wanted, shelf
        self._writers = Writers(schemas)
        self._dead_letters, self._member, self._group = dead_letters, member, group
        self._patience, self._memory, self._upkeep = patience, memory, upkeep or Upkeep()
        self._desks: dict[str, Desk] = {}
        self._stood: dict[Partition, str] = {}  # why a partition is not archived
        self._refused: dict[str, tuple[str, str]] = {}  # by topic, the schema and why it cannot be archived
        self._lost: dict[Partition, int] = {}  # positions that the log does not hold
        self._waiting: set[Partition] = set()  # nothing is read of these just now
        self._begun: set[str] = set()
        self._held_back = False
        self._look_due = self._lost_due = 0.0
        self._known: dict[str, EventType] = {}

    @property
    def problems(self) -> dict[str, str]:
        """What is not archived now, and why, by topic or by topic and partition."""
        stood = {f"{topic}/{partition}": why for (topic, partition), why in self._stood.items()}
        stood |= {topic: why for topic, (_, why) in self._refused.items()}
        return stood | {topic: desk.problem for topic, desk in self._desks.items() if desk.problem is not None}

    def run(self, stop: Event) -> None:
        """Archive until `stop` is set; then what was gathered is archived. Blocks."""
        with (
            closing(Topics(self._kafka)) as self._topics,
            ThreadPoolExecutor(COMMITS_AT_ONCE, thread_name_prefix="archive") as executor,
        ):
            while not stop.is_set():
                self._look(time.monotonic())
                self._desks = self._opened(executor)
                if self._desks:
                    self._archive(stop)
                else:
                    stop.wait(LOOK)

    def assigned(self, partitions: list[Partition]) -> dict[Partition, int | None]:
        """Says from where each partition is to be read: where its archive stands."""
        starts: dict[Partition, int | None] = {}
        for topic in {topic for topic, _ in partitions}:
            mine = [partition for at, partition in partitions if at == topic]
            desk = self._desks[topic]
            try:
                found = desk.begin(mine)
            except ArchiveRefused as error:
                self._refuse(desk.event_type, error)
                found = dict.fromkeys(mine)  # nothing of it is gathered
            except (
                ArchiveUnavailable,
                KafkaUnavailable,
                TopicMissing,
            ) as error:  # the other topics need not wait for this one
                found = desk.put_off(mine, error, time.monotonic())
            starts |= {(topic, partition): position for partition, position in found.items()}
        return starts

    def revoked(self, partitions: list[Partition]) -> None:
        """Drop what is gathered of these: whoever is next reads it again."""
        for topic, partition in partitions:
            at = (topic, partition)
            self._desks[topic].end(partition)
            self._stood.pop(at, None)
            self._lost.pop(at, None)
            self._waiting.discard(at)

    def lost(self, partitions: list[Partition]) -> None:
        """The same."""
        self.revoked(partitions)

    def _opened(self, executor: ThreadPoolExecutor) -> dict[str, Desk]:
        """A desk for each topic that asks for it and has events which an archive can hold."""
        desks: dict[str, Desk] = {}
        for topic, event_type in self._known.items():
            if self._refused.get(topic, ("", ""))[0] != event_type.text:
                self._refused.pop(topic, None)
                try:
                    identity = partial(self._topics.identity, topic)
                    desks[topic] = Desk(event_type, self._shelf, executor, self._begun, identity)
                except (ArchiveRefused, SchemaError) as error:
                    self._refuse(event_type, error)
        return desks

    def _archive(self, stop: Event) -> None:
        """Read until others are wanted, or one of these turns out not to be archivable."""
        known, types = self._known, {topic: desk.event_type for topic, desk in self._desks.items()}
        self._stood, self._lost, self._waiting, self._held_back = {}, {}, set(), False
        # Kafka hands a static member that comes back its old share, also where it asks for other topics than before.
        member = f"{self._member}-{crc32(' '.join(sorted(types)).encode()):08x}"
        consumer = Consumer(self._kafka, Codec(self._writers), self._group, member, types, self)
        try:
            while not stop.is_set() and self._known == known and not self._refused.keys() & types.keys():
                self._pass(consumer)
                self._look(time.monotonic())
            self._finish(consumer)
            consumer.leave()
        finally:
            consumer.close()

    def _pass(self, consumer: Consumer) -> None:
        self._find_again(consumer, time.monotonic())
        items = self._polled(consumer)
        if self._writers.news:
            before, self._look_due = self._known, 0.0
            if not self._look(time.monotonic()):
                self._known = {}
            if self._known != before:
                return  # what was read is read again, from where the archive stands
            self._writers.news = False
        for item in items:
            desk = self._desks[item.batch.topic]
            readable = None if desk.waits else self._readable(consumer, item)
            if readable is not None and self._kept(consumer, readable):
                desk.receive(readable, time.monotonic())
        self._work(consumer, self._patience)
        self._hold_back(consumer)
        self._upkeep.look(self._desks.values(), time.monotonic())

    def _work(self, consumer: Consumer, patience: float) -> None:
        for topic, desk in self._desks.items():
            try:
                again = desk.work(time.monotonic(), patience, self._memory // 4)
            except ArchiveRefused as error:
                self._refuse(desk.event_type, error)
                continue
            for partition, position in again.items():
                consumer.seek(topic, partition, position)

    def _refuse(self, event_type: EventType, why: Exception) -> None:
        LOGGER.error("%s is not archived: %s", event_type.topic, why)
        self._refused[event_type.topic] = event_type.text, str(why)

    def _polled(self, consumer: Consumer) -> list[Fetched]:
        try:
            return consumer.poll(0.1, AT_ONCE)
        except PositionOutsideLog as error:
            at = (error.topic, error.partition)
            if at not in self._stood:
                LOGGER.error("%s is archived no more: %s", error.topic, _outside(error))
            self._stood[at], self._lost[at] = _outside(error), error.position
        except (RegistryUnavailable, KafkaUnavailable, TopicMissing, ArchiveUnavailable) as error:
            LOGGER.warning("%s", error)
            time.sleep(0.1)
        return []

    def _readable(self, consumer: Consumer, item: Fetched) -> Fetched | None:
        """What stands before an event that the registered schema cannot read; the partition stands still there."""
        at = (item.batch.topic, item.batch.partition)
        if at in self._stood:
            return None
        event = next((one for one in item.rejected if one.unreadable), None)
        if event is None:
            return item
        self._stood[at] = (
            f"the event at offset {event.offset} of partition {event.partition} cannot be read by the newest "
            f"registered schema. {event.reason} It goes on when one is registered that reads it."
        )
        LOGGER.error("%s: %s", event.topic, self._stood[at])
        consumer.pause(*at)
        return item.until(event.offset) if event.offset > item.batch.first else None

    def _kept(self, consumer: Consumer, item: Fetched) -> bool:
        """Put refused events to the dead letters; where Kafka does not take them, all is read again."""
        if not item.rejected:
            return True
        try:
            self._dead_letters.send(item.rejected)
        except (DeliveryFailed, KafkaUnavailable) as error:
            LOGGER.warning("%s", error)
            desk = self._desks[item.batch.topic]
            consumer.seek(item.batch.topic, item.batch.partition, desk.positions[item.batch.partition])
            return False
        return True

    def _find_again(self, consumer: Consumer, now: float) -> None:
        """Read on where somebody has moved the archive past what its log has lost."""
        if not self._lost or now < self._lost_due:
            return
        self._lost_due = now + LOOK
        for at, stood in list(self._lost.items()):
            topic, partition = at
            desk = self._desks[topic]
            try:
                if (desk.archived(partition) or 0) > stood:  # so what was gathered of it is in the archive too
                    found = desk.begin([partition])[partition]
                    LOGGER.info("%s partition %d is archived again, from %s on.", topic, partition, found)
                    del self._lost[at], self._stood[at]
                    consumer.seek(topic, partition, found)
            except (ArchiveUnavailable, ArchiveRefused, KafkaUnavailable, TopicMissing) as error:
                LOGGER.info("%s", error)

    def _hold_back(self, consumer: Consumer) -> None:
        """Read nothing more while what is in memory waits for the archive, nor of a topic that waits for its own."""
        size = sum(desk.size for desk in self._desks.values())
        self._held_back = size > (self._memory // 2 if self._held_back else self._memory)
        waiting = {
            (topic, partition)
            for topic, desk in self._desks.items()
            if self._held_back or desk.waits
            for partition in desk.positions
        }
        for place in waiting - self._waiting:
            consumer.pause(*place)
        for place in self._waiting - waiting:
            consumer.resume(*place)
        self._waiting = waiting

    def _finish(self, consumer: Consumer) -> None:
        """Archive what is gathered, unless that takes too long: then it is read again."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not all(desk.idle for desk in self._desks.values()):
            self._work(consumer, 0.0)
            for desk in self._desks.values():
                desk.wait(0.05)

    def _look(self, now: float) -> bool:
        """Ask what is wanted, if it is time; False where there is no answer."""
        if now < self._look_due:
            return True
        self._look_due = now + LOOK
        try:
            wanted = dict(self._wanted())
        except RegistryUnavailable as error:
            LOGGER.warning("%s", error)
            return False
        for topic, event_type in wanted.items():
            before = self._known.get(topic)
            if before is not None and before.text == event_type.text:
                wanted[topic] = before
        self._known = wanted
        return True


def _outside(error: PositionOutsideLog) -> str:
    if error.position < error.low:
        return (
            f"partition {error.partition} is archived up to {error.position}, and its log begins at {error.low}: the "
            f"events between are gone. `millrace archive skip {error.topic} {error.partition}` goes on without them."
        )
    return (
        f"partition {error.partition} is archived up to {error.position}, and its log ends at {error.high}: the topic "
        "was made anew. Move the old archive away, so that another begins."
    )
