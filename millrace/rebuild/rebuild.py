"""A learner's new version that is filled from the archive while the old one serves: what it is made of, and its steps.

The course of these steps is in `run.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from learners import FoldFailed, Placement, Worker
from learners.declaration import Declaration, declarations
from learners.errors import RebuildStopped
from learners.filling import Filling
from learners.handover import Place, must_be_in_an_archive
from learners.homes import Homes
from learners.placement import EVERY
from learners.repartition import with_repartitions
from learners.trace import Trace
from learners.unit import Unit
from millrace.archive import ArchiveMissing, event_type_of, shelf_of
from millrace.learners_progress import REBUILD
from millrace.platform import Platform, all_event_types, all_learners, learner_of, placement, prefix_of
from millrace.product import Product
from storage import Descriptor, Technology, UnitId
from storage.comparison import Comparison, compare
from streams import Batch

if TYPE_CHECKING:
    from streams.archive import ArchiveTable

LOGGER = logging.getLogger("millrace.rebuild")
COMMITS_AT_ONCE = 2
LESS_OFTEN = 100
"""So many times as long as a worker's do its folded rows wait for their commit: 2.5 seconds, unless that is set."""


class Rebuild:
    """One learner's new version. Its methods block.

    Attributes:
        version: the learner's, as the product's code says it.
        generation: of its rows.

    Raises:
        ProductError: there is no such learner.
        LearnerRefused: its fold cannot be repeated from an archive.
        ArchiveMissing: the extra `archive` is not installed.
    """

    def __init__(self, platform: Platform, product: Product, learner: str) -> None:
        self.platform, self.product = platform, product
        self.declaration = _declared(platform, product, learner)
        must_be_in_an_archive(self.declaration, self.declaration.event_type)
        self.placement = _own(placement(product, platform.settings), self.declaration)
        self.homes = Homes.of(self.declaration, platform.technologies, self.placement)
        self.table: ArchiveTable = shelf_of(platform.settings).table(self.declaration.topic)
        self.version = self.generation = self.declaration.learner.version

    @property
    def name(self) -> str:
        """Learner and version, for people."""
        return f"{self.declaration.name}@{self.version}"

    def check(self) -> None:
        """See that the archive keeps what the learner reads, by what is registered now.

        Raises:
            LearnerRefused: a field is kept as a pseudonym.
            ArchiveMissing: no schema is registered for the topic.
        """
        must_be_in_an_archive(self.declaration, event_type_of(self.platform.registry, self.declaration.topic))

    def places(self) -> dict[int, Place]:
        """Where every partition stands now, in a new snapshot of the archive.

        Raises:
            ArchiveMissing: nothing of the topic is archived.
        """
        topic = self.declaration.topic
        if not self.table.look():
            raise ArchiveMissing(
                f"Nothing of {topic} is archived, so there is nothing to rebuild from: write `archive=True` in its "
                "event type and start `millrace archive run`. What the log holds, workers of the new version fold."
            )
        folded = self.positions()
        return {
            partition: Place(folded.get(partition), self.table.position(partition), *span)
            for (_, partition), span in self.platform.topics.ends([topic]).items()
        }

    def positions(self) -> dict[int, int]:
        """How far the new version is, by partition; none of which nothing is committed."""
        units = self.homes.units(self.generation)
        return {state.unit.partition: state.next for state in units if state.next is not None}

    def declare(self) -> None:
        """Make the new version's storages known. Raises as `Homes.declare` does."""
        self.generation = self.homes.declare()

    def fill(self, partitions: Collection[int], stop: Event) -> bool:
        """Fold what the archive has of these partitions and the new version has not, in this process; False if it was
        told to stop before.

        Raises:
            RebuildStopped: another process has claimed a unit since, one cannot go on, or the learner raised.
        """
        with ThreadPoolExecutor(COMMITS_AT_ONCE, thread_name_prefix="commit") as committer:
            filling = Filling(partial(self._batches, partitions), stop, lambda _: None)
            with self._told():
                done = filling.fill([self._unit(partition, committer) for partition in partitions])
        if filling.late:
            LOGGER.info("%s late events were left out, as when they came.", f"{filling.late:,}")
        return done

    def catch_up(self, caught_up: Callable[[], bool], stop: Event) -> None:
        """Fold the log from where the archive ends, in a consumer group of its own, so that the workers of the version
        that is read keep their partitions. Ends when `caught_up` says so, or when others have claimed every unit.
        Raises RebuildStopped where the learner raises."""
        settings, name = self.platform.settings, self.product.name
        worker = Worker(
            kafka=self.platform.kafka,
            codec=self.platform.codec,
            technologies=self.platform.technologies,
            placement=self.placement,
            learners=[self.declaration.learner],
            event_types=all_event_types(self.product),
            dead_letters=self.platform.dead_letters(f"millrace-{name}"),
            group=f"millrace-{name}{REBUILD}{self.declaration.name}-{self.version}",
            member="rebuild",
            interval=settings.commit_interval_ms / 1000,
            memory=settings.worker_memory_mb,
            protocol=settings.consumer_protocol,
            stops=self.platform.stops,
            prefix=prefix_of(self.product),
            gives_up=True,
            caught_up=caught_up,
        )
        with self._told():
            worker.run(stop)

    def compared(self) -> list[Comparison]:
        """Each storage beside the version of it that is read now, where that is an earlier one."""
        pairs = [
            (old, new)
            for technology, new in self.homes.served(self.generation)
            if (old := _read(technology, new)) is not None and old.version < self.version
        ]
        return asyncio.run(self._compared(pairs))

    def switch(self) -> None:
        """Let the names of its storages point to it, in each technology at one moment."""
        self.homes.point(self.generation)

    def answers(self) -> bool:
        """Whether readers of all its storages get this version."""
        read = [_read(technology, item) for technology, item in self.homes.served(self.generation)]
        return all(item is not None and item.version == self.version for item in read)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What a learner raises is told with what to do about it."""
        try:
            yield
        except FoldFailed as error:
            raise RebuildStopped(
                f"{error}. What is filled before it stays, and readers keep what they have. Put it right, and the same "
                f"command goes on; raise the version from {self.version} where events before it would be learned "
                "otherwise, too."
            ) from error

    async def _compared(self, pairs: Sequence[tuple[Descriptor, Descriptor]]) -> list[Comparison]:
        reads = self.platform.reads()
        try:
            return [await compare(reads[old.technology], old, new) for old, new in pairs]
        finally:
            await asyncio.gather(*(one.close() for one in reads.opened.values()), return_exceptions=True)

    def _batches(self, partitions: Collection[int], starts: Mapping[int, int]) -> Iterator[Batch]:
        from streams.archive import ArchivedLog

        log = ArchivedLog(self.table, self.declaration.event_type, partitions, starts)
        for partition, (first, _) in log.spans.items():
            if first and partition not in starts:
                LOGGER.warning(
                    "The archive of %s begins at offset %s of partition %d; what was before is not in %s.",
                    *(self.declaration.topic, f"{first:,}", partition, self.name),
                )
        return (batch for batch, _ in log.batches())

    def _unit(self, partition: int, committer: ThreadPoolExecutor) -> Unit:
        unit = UnitId(self.declaration.name, self.version, self.generation, self.declaration.topic, partition)
        interval = LESS_OFTEN * self.platform.settings.commit_interval_ms / 1000
        rows, commits = self.homes.bulk, self.homes.commits
        return Unit(
            unit, self.declaration, commits, committer, Trace(None), interval, rows=rows, patient=True, gives_up=True
        )


def _declared(platform: Platform, product: Product, learner: str) -> Declaration:
    """The learner as a worker runs it."""
    name = learner_of(product, learner).name
    found = declarations(all_learners(product), all_event_types(product))  # which say to each other who emits what
    mine = [item for item in found if item.name == name]
    *_, declared = with_repartitions(mine, prefix_of(product), platform.topics.partitions)
    return declared


def _own(every: Placement, declaration: Declaration) -> Placement:
    """What a product's placement says of one learner's storages."""
    names = {EVERY, *(name for form in declaration.storages.values() for name in (form.name, form.storage))}
    return Placement(every.platform, {name: at for name, at in every.product.items() if name in names})


def _read(technology: Technology, item: Descriptor) -> Descriptor | None:
    """The version of a storage that readers get; None if there is none."""
    alias = technology.aliases().get(item.place)
    every = [one for one in technology.storages() if one.place == item.place]
    return next((one for one in every if alias is not None and one.version == alias.version), None)
