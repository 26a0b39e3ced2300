"""The same fold without Kafka and without a server: for notebooks, backtests and checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from learners.declaration import Contract, Declaration, declarations
from learners.emitted_events import EmittedEvents
from learners.errors import LearnerRefused
from learners.homes import Homes
from learners.judge import Judge
from learners.lane import Lane
from learners.rows import Rows
from schemas import EventType, Record
from storage import Descriptor, Format, Memory, items_of, to_frame
from streams import Batch, partition_of


class Replay:
    """Folds events into a memory of its own, as live workers would fold them into theirs.

    Every fold commits, so that `memory` always shows what a reader would see after these events: predict, then fold,
    then predict the next.

    Args:
        event_types: by topic; those that event learners declare need not be among them.
        partitions: units per learner, to which events go by their key, as in Kafka; a learner that asks for a total
            order has one.
        judged: names of learners that are asked about each event before they learn it.

    Attributes:
        judges: by learner.

    Raises:
        LearnerRefused: a learner cannot run, or is to be judged and cannot be.
    """

    def __init__(
        self,
        learners: Sequence[type[Contract]],
        event_types: Mapping[str, EventType] | None = None,
        partitions: int = 1,
        judged: Sequence[str] = (),
    ) -> None:
        self.memory = Memory()
        self.partitions = partitions
        self.declarations = declarations(learners, event_types or {})
        self.event_types = {declaration.topic: declaration.event_type for declaration in self.declarations}
        self.judges = {item.name: Judge(item) for item in self.declarations if item.name in judged}
        self._places: dict[Any, int] = {}
        self._storages: list[tuple[Format, Descriptor]] = []
        self._kept: list[Descriptor] = []
        self._lanes: dict[str, list[list[Lane]]] = {}
        self._total: dict[str, list[Lane]] = {}
        self._reads: dict[str, list[str]] = {}
        self._emitted = EmittedEvents()
        for declaration in self.declarations:
            lanes = self._lanes.setdefault(declaration.topic, [[] for _ in range(partitions)])
            total = self._total.setdefault(declaration.topic, [])
            reads = self._reads.setdefault(declaration.asked, [])
            reads += [] if declaration.topic in reads else [declaration.topic]
            generation = Homes.single(declaration, self.memory).declare()
            self._storages += [self._described(declaration, form, generation) for form in declaration.storages.values()]
            self._kept += [self._described(declaration, form, generation)[1] for form in declaration.kept]
            judge = self.judges.get(declaration.name)
            if declaration.total_order:
                total.append(Lane(declaration, generation, 0, self.memory, judge))
                continue
            for partition in range(partitions):
                lanes[partition].append(Lane(declaration, generation, partition, self.memory, judge))

    @property
    def topics(self) -> list[str]:
        """The topics that these learners fold."""
        return list(self._reads)

    def fold(self, topic: str, events: pl.DataFrame | Sequence[Record]) -> None:
        """Fold the next events of a topic, in order: a frame with the event type's columns, or events.

        Raises:
            LearnerRefused: no learner reads this topic.
            FoldFailed: a learner raised; this replay is of no more use.
        """
        if isinstance(events, pl.DataFrame):
            self.fold_frame(topic, events)
            return
        for derived in self._known(topic):
            self._fold_events(derived, events)
        self._follow()

    def fold_frame(
        self, topic: str, frame: pl.DataFrame, cuts: Callable[[int], Sequence[int]] = lambda rows: ()
    ) -> None:
        """Fold a frame, in batches that end after the rows that `cuts` gives for each partition's number of rows."""
        for derived in self._known(topic):
            self._fold_derived(derived, frame, cuts)
        self._follow()

    def _fold_derived(
        self, topic: str, frame: pl.DataFrame, cuts: Callable[[int], Sequence[int]] = lambda rows: ()
    ) -> None:
        for partition, part in self._split(topic, frame) if any(self._lanes[topic]) else ():
            for lane in self._lanes[topic][partition]:
                lane.fold(part, cuts(part.height))
        for lane in self._total[topic]:
            lane.fold(frame, cuts(frame.height))

    def _known(self, topic: str) -> list[str]:
        """The topics that learners fold of this one's events."""
        if topic not in self._reads:
            raise LearnerRefused(f"No learner here folds {topic}; they fold {', '.join(sorted(self._reads))}.")
        return self._reads[topic]

    def fold_batch(self, batch: Batch) -> None:
        """Fold what stands next in a partition of the log: who folds the topic itself does so in that partition's unit,
        as live; who wants it by another key, or in one order, takes its rows as they come.

        Raises:
            LearnerRefused: no learner reads this topic, or one reads it as emitted by others, which only the log says.
            FoldFailed: a learner raised; this replay is of no more use.
        """
        for derived in self._known(batch.topic):
            if derived != batch.topic:
                self._fold_derived(derived, batch.frame)
                continue
            for lane in self._lanes[derived][batch.partition]:
                if lane.declaration.marks is not None and batch.sources is None:
                    raise LearnerRefused(
                        f"{lane.declaration.name} reads what learners have emitted to {batch.topic}, some of it twice, "
                        "perhaps, which only the log can tell. Fold what it was emitted for, with who emits it."
                    )
                lane.fold_batch(batch)
            for lane in self._total[derived]:
                lane.fold(batch.frame)
        self._follow()

    def restart(self) -> None:
        """Drop what every learner has in memory and go on from what is committed, as after a crash."""
        for lane in self.lanes():
            lane.claim()

    def lanes(self) -> Iterator[Lane]:
        """All units."""
        split = (lane for partitions in self._lanes.values() for lanes in partitions for lane in lanes)
        return chain(split, *self._total.values())

    def frames(self) -> dict[str, pl.DataFrame]:
        """Per storage its rows as readers would see them: see `storage.to_frame`. By the storage's name, or by format
        and name where two formats share it. And what was emitted, by topic: `emitted/<topic>` where a storage has that
        name."""
        names = Counter(storage.name for storage, _ in self._storages)
        found = {
            storage.name if names[storage.name] == 1 else descriptor.storage: to_frame(storage, self.memory, descriptor)
            for storage, descriptor in self._storages
        }
        return found | {
            f"emitted/{topic}" if topic in found else topic: frame for topic, frame in self.emitted().items()
        }

    def emitted(self) -> dict[str, pl.DataFrame]:
        """What was emitted so far, by topic."""
        return self._emitted.frames()

    def rows(self) -> Rows:
        """Every row of every storage as it is stored, what is kept beside them (ids that were seen, watermarks), and
        what was emitted for each event, to be compared with another replay's by `learners.rows`."""
        return self._emitted.rows() | {
            (address.storage, address.key, address.bucket): row
            if isinstance(row, dict)
            else items_of(descriptor, address.key, row)
            for descriptor in [*(descriptor for _, descriptor in self._storages), *self._kept]
            for address, row in self.memory.dump(descriptor)
        }

    def _follow(self) -> None:
        """Take what was emitted, and fold it where a learner reads it."""
        for topic, events in self._emitted.taken(self.lanes()):
            if topic in self._reads:
                self.fold_frame(topic, events)

    def _described(self, declaration: Declaration, form: Format, generation: int) -> tuple[Format, Descriptor]:
        return form, form.describe(declaration.name, declaration.learner.version, generation, declaration.topic)

    def _fold_events(self, topic: str, events: Sequence[Record]) -> None:
        if len(events) == 1:
            parts = {self.place(topic, events[0]): events}
        else:
            split: dict[int, list[Record]] = {}
            for event in events:
                split.setdefault(self.place(topic, event), []).append(event)
            parts = dict(split)
        for partition, part in parts.items():
            self._feed(topic, self._lanes[topic][partition], part)
        self._feed(topic, self._total[topic], events)

    def _feed(self, topic: str, lanes: Sequence[Lane], events: Sequence[Record]) -> None:
        frame = None
        for lane in lanes:
            if lane.declaration.events is not None:
                lane.fold_events(events)
            else:
                frame = self.event_types[topic].frame(events) if frame is None else frame
                lane.fold(frame)

    def place(self, topic: str, event: Record) -> int:
        """The partition that an event of this topic goes to."""
        key = self.event_types[topic].key
        return 0 if key is None or self.partitions == 1 else self._partition(topic, key, getattr(event, key))

    def _partition(self, topic: str, key: str, value: Any) -> int:
        found = self._places.get((topic, value))
        if found is None:
            raw = self.event_types[topic].key_of({key: value})
            found = self._places[topic, value] = 0 if raw is None else partition_of(raw, self.partitions)
        return found

    def _split(self, topic: str, frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
        """The frame's rows by partition, in their order."""
        key = self.event_types[topic].key
        if key is None or self.partitions == 1:
            yield 0, frame
            return
        places = np.fromiter((self._partition(topic, key, value) for value in frame[key]), np.int64, frame.height)
        for partition in range(self.partitions):
            yield partition, frame.filter(pl.Series(places == partition))
