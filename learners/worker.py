"""The process that folds live events: one consumer, and a unit for each learner on each partition that it is given."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event

from learners.burials import Burials
from learners.declaration import Contract, Declaration, declarations, topics_behind
from learners.derived import writer_of
from learners.emitter import NOBODY, Emitter
from learners.errors import FoldFailed, LearnerRefused
from learners.homes import Homes
from learners.latecomers import Latecomers
from learners.lookout import Forgotten, Lookout
from learners.newcomer import Newcomer
from learners.partition import Partition
from learners.placement import Placement
from learners.plan import SLOW_COMMIT, SMALLEST_LIMIT, gathering, next_limit
from learners.repartition import Repartition, wanted_partitions, with_repartitions
from learners.standstills import Standstills
from learners.trace import Trace
from learners.unit import State, Unit
from learners.worker_metrics import WorkerMetrics
from schemas import Codec, EventType
from schemas.errors import RegistryUnavailable
from schemas.table import MemoryTable
from storage import StorageUnavailable, Technology, UnitId
from streams import (
    Consumer,
    DeadLetters,
    Fetched,
    Kafka,
    KafkaUnavailable,
    PositionOutsideLog,
    Rejected,
    Stops,
    StreamError,
    Topics,
)
from streams.membership import must_fit

log = logging.getLogger(__name__)

COMMITS_AT_ONCE = 2
NOTE_EVERY = 1.0
DRAIN = 4.0
"""Seconds in which a worker that is told to stop commits what it has folded; what is left is folded by the next."""
MEGABYTE = 1 << 20


class Worker:
    """Folds the events of every partition that the consumer group gives to it, until it is told to stop.

    It may be killed at any moment: whoever is next goes on from the committed positions.

    Args:
        technologies: where storages live, by name.
        placement: which of them each storage lives in, where it does not say so itself.
        event_types: by topic.
        group: the consumer group; all workers of one platform share it.
        stops: where it is kept that a unit stands still; None = this worker's memory.
        member: this worker's lasting name in the group: a restart under the same name has its partitions at once.
        interval: longest time in seconds that folded rows wait for their commit.
        memory: megabytes for events: fetched, decoded, waiting for a slow storage, folded and not committed.
        protocol: of the consumer group, "classic" or "consumer".
        emitter: sends what learners emit, and writes derived topics; closed with the worker. None = they may not.
        prefix: what the names of derived topics begin with; those of two products that share a platform differ by it.
        metrics: is told every second what the worker counts; None = nobody asks.
        trace: file for JSON lines about deliveries, commits and claims; for fault tests.
        gives_up: whether its units give up instead of trying again: see `Unit`. It ends once another has claimed all of
            them, or a learner has raised. For a rebuild.
        caught_up: is called in place of letting names point to a version that has caught up; says whether the worker
            ends then.
    """

    def __init__(
        self,
        kafka: Kafka,
        codec: Codec,
        technologies: Mapping[str, Technology],
        learners: Sequence[type[Contract]],
        event_types: Mapping[str, EventType],
        dead_letters: DeadLetters,
        group: str,
        member: str,
        placement: Placement | None = None,
        interval: float = 0.025,
        memory: int = 256,
        protocol: str = "classic",
        trace: Path | None = None,
        stops: Stops | None = None,
        emitter: Emitter | None = None,
        prefix: str = "",
        metrics: WorkerMetrics | None = None,
        gives_up: bool = False,
        caught_up: Callable[[], bool] | None = None,
    ) -> None:
        self._gives_up, self._caught_up, self._ended = gives_up, caught_up, False
        self._kafka, self._codec, self._group, self._member = kafka, codec, group, member
        self._declarations = declarations(learners, event_types)
        self._technologies, self._placement = technologies, placement or Placement()
        self._placement.check([form for item in self._declarations for form in item.storages.values()])
        self._homes = self._housed()
        self._dead_letters = dead_letters
        self._interval, self._memory, self._protocol = interval, memory * MEGABYTE, protocol
        self._trace = Trace(trace)
        self._committer = ThreadPoolExecutor(COMMITS_AT_ONCE, thread_name_prefix="commit")
        self._topics = Topics(kafka)
        self._generations: dict[str, int] = {}
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._limit, self._polled = SMALLEST_LIMIT * 8, time.process_time()
        self._newcomers: list[Newcomer] = []
        self._latecomers, self._lookout, self._burials = Latecomers(), Lookout(), Burials()
        self._standstills = Standstills(stops or Stops(MemoryTable()))
        self._noted: dict[tuple[str, int], int] = {}
        self._note_due = 0.0
        self._emitter, self._prefix, self._metrics = emitter, prefix, metrics

    @property
    def problems(self) -> dict[str, str]:
        """What does not fold now, and why: unit, or learner that has not begun -> one line."""
        units = [unit for partition in self._partitions.values() for unit in partition.units]
        failed = {f"Learner {name}": why for name, why in self._latecomers.failed.items()}
        return failed | {str(unit): unit.problem for unit in units if unit.problem is not None}

    @property
    def partitions(self) -> list[tuple[str, int]]:
        """Topic and number of each partition that it has now."""
        return list(self._partitions)

    def run(self, stop: Event) -> None:
        """Fold until `stop` is set. Blocks; then what is folded is committed, if the storage takes it within seconds,
        and the partitions are given back. What it does not take the next owner folds again.

        Raises:
            LearnerRefused: a learner, or an option of Kafka's, asks for what cannot be given.
            StorageConflict: a learner's options were changed without a new version.
            FoldFailed: a learner raised, and its units are left to others (`gives_up`).
        """
        with self._closing():
            self._refuse_membership()
            self._derive()
            if not self._declare(stop):
                return
            consumer = self._consumer()
            try:
                while not (stop.is_set() or self._ended or self._overtaken()):
                    self._pass(consumer)
                self._drain(consumer)
            finally:
                consumer.close()

    def assigned(self, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], int | None]:
        """Claim the units of these partitions; says from where to read each (None = the beginning of its log)."""
        starts: dict[tuple[str, int], int | None] = {}
        for place in partitions:
            mine = [item for item in self._declarations if item.topic == place[0] and item.name in self._generations]
            units = [self._unit(item, place[1]) for item in mine]
            self._standstills.begin(units)
            self._partitions[place] = Partition(*place, units, self._bury, self._log_range)
            starts[place] = self._partitions[place].start()
        return starts

    def revoked(self, partitions: list[tuple[str, int]]) -> None:
        """Give the units up with all they have in memory; nothing is flushed, the next owner folds it again."""
        for place in partitions:
            if (partition := self._partitions.pop(place, None)) is not None:
                partition.leave()
            self._noted.pop(place, None)

    def lost(self, partitions: list[tuple[str, int]]) -> None:
        """The same: someone else may have folded these partitions for a long time already."""
        self.revoked(partitions)

    def _pass(self, consumer: Consumer) -> None:
        """One poll, which gathers messages for at most the commit interval, and all that follows from it."""
        before, self._polled, begun = self._polled, time.process_time(), time.thread_time()
        try:
            gather = gathering(self._polled - before, self._interval)
            fetched = consumer.poll(gather, self._limit, wait=self._interval)
        except PositionOutsideLog as error:
            log.error("%s", error)
            place = self._partitions.get((error.topic, error.partition))
            if place is not None:
                place.outside(error.low, error.high)
            fetched = []
        except (RegistryUnavailable, KafkaUnavailable) as error:
            log.warning("No event is lost, it is asked again: %s", error)
            fetched = []
        started = time.monotonic()
        for partition in self._partitions.values():
            partition.polled()
        for item in fetched:
            self._receive(item)
        self._wait_for_commits()
        room = sum(partition.size for partition in self._partitions.values()) < self._memory // 4
        for partition in self._partitions.values():
            partition.work(consumer, room)
        if time.monotonic() >= self._note_due:
            self._note_due = time.monotonic() + NOTE_EVERY
            self._each_second(consumer)
        if sum(item.batch.rows for item in fetched) >= self._limit / 2:
            self._limit = next_limit(self._limit, time.thread_time() - begun, time.monotonic() - started)

    def _each_second(self, consumer: Consumer) -> None:
        self._note(consumer)
        self._burials.tell((), time.monotonic())
        self._welcome()
        self._look()
        self._standstills.look([unit for partition in self._partitions.values() for unit in partition.units])
        self._newcomers = [item for item in self._newcomers if not item.takes_over(self._topics)]
        if self._metrics is not None:
            self._metrics.look([*self._partitions.values()], consumer.ends())

    def _wait_for_commits(self) -> None:
        """Where events wait for a commit, wait too: what a paused partition has fetched is fetched again. Whoever is
        slower is paused after that, and polling goes on."""
        until = time.monotonic() + SLOW_COMMIT
        while flights := [one for partition in self._partitions.values() for one in partition.held_up]:
            if not wait(flights, max(0.0, until - time.monotonic()), FIRST_COMPLETED).done:
                return
            for partition in self._partitions.values():
                partition.go_on()

    def _drain(self, consumer: Consumer) -> None:
        """Commit what is folded, then tell the group, so that others have the partitions at once."""
        until = time.monotonic() + DRAIN
        for partition in self._partitions.values():
            partition.drain(until)
        self._note(consumer)
        consumer.leave()

    def _receive(self, item: Fetched) -> None:
        batch = item.batch
        partition = self._partitions.get((batch.topic, batch.partition))
        if partition is not None:
            self._trace.delivered([(batch.topic, batch.partition, batch.next)])
            partition.receive(item)

    def _note(self, consumer: Consumer) -> None:
        """Group offsets, for tools that show lag; nothing is ever read from them."""
        committed = {place: partition.committed() for place, partition in self._partitions.items()}
        news = {place: at for place, at in committed.items() if at is not None and self._noted.get(place) != at}
        if news:
            consumer.note(news)
            self._noted.update(news)

    def _unit(self, declaration: Declaration, partition: int) -> Unit:
        generation = self._generations[declaration.name]
        unit = UnitId(declaration.name, declaration.learner.version, generation, declaration.topic, partition)
        homes, emitter = self._homes[declaration.name], self._emitter or NOBODY
        return Unit(
            unit,
            declaration,
            homes.commits,
            self._committer,
            self._trace,
            self._interval,
            emitter,
            rows=homes.rows,
            gives_up=self._gives_up,
        )

    def _tell(self) -> None:
        assert self._caught_up is not None
        self._ended = self._caught_up()

    def _overtaken(self) -> bool:
        """Whether others have claimed all that it had. Raises what a learner has raised that is not tried again."""
        units = [unit for partition in self._partitions.values() for unit in partition.units]
        for unit in units:
            if self._gives_up and unit.state is State.STOPPED and isinstance(unit.failure, FoldFailed):
                raise unit.failure
        return self._gives_up and bool(units) and all(unit.overtaken for unit in units)

    def _bury(self, letters: Sequence[Rejected]) -> None:
        self._dead_letters.send(letters)
        self._burials.tell(letters, time.monotonic())
        if self._metrics is not None:
            self._metrics.buried(letters)

    def _log_range(self, topic: str, partition: int) -> tuple[int, int]:
        return self._topics.ends([topic])[topic, partition]

    def _declare(self, stop: Event) -> bool:
        """Make the storages known. Learners whose storages do not answer come later, but for the first of all: False if
        told to stop while none answers."""
        every = list(self._homes.values())
        while not stop.is_set():
            for homes, generation in self._latecomers.first(every):
                self._declared(homes, generation)
            if self._generations or not len(self._latecomers):
                return True
            stop.wait(0.5)
        return False

    def _declared(self, homes: Homes, generation: int) -> None:
        """From now on the learner's units are part of every partition of its topic."""
        declaration = homes.declaration
        self._generations[declaration.name] = generation
        self._newcomers.append(self._newcomer(homes, generation))
        for (topic, number), partition in self._partitions.items():
            if topic == declaration.topic:
                unit = self._unit(declaration, number)
                self._standstills.begin([unit])
                partition.add(unit)

    def _newcomer(self, homes: Homes, generation: int) -> Newcomer:
        declaration = homes.declaration
        if declaration.source is None:
            return Newcomer(homes, generation, then=None if self._caught_up is None else self._tell)
        writer = self._homes[writer_of(declaration.topic)]
        return Newcomer(homes, generation, Newcomer(writer, writer.declaration.learner.version))

    def _welcome(self) -> None:
        for homes, generation in self._latecomers.arrived():
            self._declared(homes, generation)

    def _look(self) -> None:
        """Fold again what a store has forgotten."""
        for name, generation in self._generations.items():
            found = self._lookout.look(self._homes[name], generation, partial(self._committed, name))
            if found is not None:
                self._again(name, generation, found)

    def _again(self, name: str, generation: int, found: Forgotten) -> None:
        if found.declared:
            log.error("The storages of %s were gone, and are declared again; what they held is folded again.", name)
            self._newcomers.append(self._newcomer(self._homes[name], generation))
        for unit in self._units(name):
            if found.problem is not None and unit.state is not State.STOPPED:
                unit.stop(found.problem)
            elif unit.id.partition in found.behind:
                unit.postpone(StorageUnavailable(f"{unit}: its store is behind what it has acknowledged"))

    def _committed(self, name: str) -> dict[int, int]:
        found = {unit.id.partition: unit.committed for unit in self._units(name) if unit.state is State.ACTIVE}
        return {partition: position for partition, position in found.items() if position is not None}

    def _units(self, name: str) -> list[Unit]:
        return [unit for partition in self._partitions.values() for unit in partition.units if unit.id.learner == name]

    def _refuse_membership(self) -> None:
        try:
            must_fit(self._protocol, self._kafka.options)
        except StreamError as error:
            raise LearnerRefused(str(error)) from error

    def _derive(self) -> None:
        """Make the topics that learners emit to, or that they ask for by another key or in one order. Blocks."""
        self._declarations = with_repartitions(self._declarations, self._prefix, self._topics.partitions)
        self._homes = self._housed()
        for declaration in self._declarations:
            for emit in declaration.emits.values():
                if self._emitter is None:
                    raise LearnerRefused(f"{declaration.name} emits to {emit.topic}, and its worker has no emitter.")
                wanted = wanted_partitions(self._declarations, emit.topic, declaration.topic, self._topics.partitions)
                count = self._emitter.prepare(emit.event_type, wanted, topics_behind(emit.topic, self._declarations))
                assert declaration.emitted is not None
                declaration.emitted.partitions[emit.topic] = count

    def _housed(self) -> dict[str, Homes]:
        return {item.name: Homes.of(item, self._technologies, self._placement) for item in self._declarations}

    def _consumer(self) -> Consumer:
        types = {item.topic: item.event_type for item in self._declarations}
        emitted = [item.topic for item in self._declarations if item.marks is not None]
        raw = [item.topic for item in self._declarations if issubclass(item.learner, Repartition)]
        return Consumer(
            self._kafka,
            self._codec,
            self._group,
            self._member,
            types,
            self,
            emitted=emitted,
            raw=raw,
            protocol=self._protocol,
            memory=self._memory // 4,
        )

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._committer.shutdown(wait=False, cancel_futures=True)
            if self._emitter is not None:
                self._emitter.close()
            self._latecomers.close()
            self._lookout.close()
            self._topics.close()
            self._trace.close()
