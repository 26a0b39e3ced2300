"""Learners that emit: events first, then the commit; whoever reads them drops repeats by a mark for each source.

What was sent arrives late or never, whatever has become of its sender: a zombie's events come between its successor's.
A reader's marks are rows of its own atomic commits, so what it takes is a function of the log, and the first model has
readers that take each event as it arrives. The second is a reader that crashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds


class Message(NamedTuple):
    """An emitted event.

    Attributes:
        event: the source's event for which it is emitted, and which of those it is: what it really is.
        position: what its headers say.
    """

    source: int
    event: tuple[int, int]
    position: tuple[int, int]


Log = tuple[Message, ...]


class Sent(NamedTuple):
    """One unit's emission on its way: what has not arrived yet, in order, for each partition."""

    owner: int
    left: tuple[Log, ...]


class Worker(NamedTuple):
    """A process on a unit; without a token it has nothing in memory.

    Attributes:
        next: where its next commit begins.
        new: where it ends; 0 = nothing is emitted for one yet.
    """

    source: int = 0
    owner: int = 0
    next: int = 0
    new: int = 0


IDLE = Worker()


class World(NamedTuple):
    """Everything there is at one moment.

    Attributes:
        nexts, tokens: committed position and newest owner of each source's unit.
        taken: of each partition of the emitted topic what its reader has taken.
        partitions: how many of its partitions are used.
    """

    nexts: tuple[int, ...]
    tokens: tuple[int, ...]
    taken: tuple[Log, ...] = ((), ())
    workers: tuple[Worker, ...] = (IDLE, IDLE)
    wire: tuple[Sent, ...] = ()
    owners: int = 0
    partitions: int = 2

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new])))

    def flying(self, old: Sent | None, new: Sent | None) -> World:
        """With an emission sent, or less of it on its way."""
        rest = [sent for sent in self.wire if sent != old]
        return self._replace(wire=tuple(sorted([*rest, new] if new is not None and any(new.left) else rest)))


@dataclass(frozen=True)
class Emission:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        emit_first: a commit waits until all that goes with it has arrived.
        gapless: after an event that could not be sent nothing else of that producer is.
        ordered: a producer's events arrive at a partition in their order.
        by_event: positions are those of the events emitted for, and not counted from where a batch begins.
        marks: repeats are dropped.
        by_source: there is a mark for each source, not one for all.
        by_partition: there are marks for each partition, not one for all.
        fixed: the partitions of the emitted topic do not change.
    """

    emit_first: bool = True
    gapless: bool = True
    ordered: bool = True
    by_event: bool = True
    marks: bool = True
    by_source: bool = True
    by_partition: bool = True
    fixed: bool = True
    sources: int = 1
    events: int = 3
    owners: int = 3

    @property
    def start(self) -> World:
        zeros = (0,) * self.sources
        return World(zeros, zeros, partitions=2 if self.fixed else 1)

    def done(self, world: World) -> bool:
        return min(world.nexts) == self.events and not world.wire

    def wrong(self, world: World) -> str | None:
        for place, taken in enumerate(world.taken):
            for source in range(self.sources):
                found = [message.event for message in taken if message.source == source]
                every = [event for event, to in self._emitted(self.events, world.partitions) if to == place]
                if self.fixed and found != every[: len(found)]:
                    return f"of source {source} the reader of partition {place} takes {found}; emitted is {every}"
                if len(set(found)) < len(found):
                    return f"of source {source} the reader of partition {place} takes {found}"
        return self._lost(world)

    def _lost(self, world: World) -> str | None:
        """What is committed has been taken; and, by all readers together, once."""
        taken = [message for log in world.taken for message in log]
        for source, end in enumerate(world.nexts):
            found = [message.event for message in taken if message.source == source]
            if len(set(found)) < len(found):
                return f"of source {source} is taken {sorted(found)}"
            missing = {event for event, _ in self._emitted(end, 2)} - set(found)
            if missing:
                return f"source {source} is at {end}, and {sorted(missing)} are not there"
        return None

    def _takes(self, world: World, place: int, message: Message) -> bool:
        """Whether the reader takes it for new."""
        logs = world.taken[place : place + 1] if self.by_partition else world.taken
        known = [one for log in logs for one in log if one.source == message.source or not self.by_source]
        return not self.marks or all(one.position < message.position for one in known)

    def _emitted(self, end: int, partitions: int, start: int = 0) -> Iterator[tuple[tuple[int, int], int]]:
        """What is emitted for `log[start:end]`, and to which partition: one event, two for every other one."""
        for event in range(start, end):
            for index in range(1 + event % 2):
                yield (event, index), (event + index) % partitions

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for worker in dict.fromkeys(world.workers):
            if worker.owner:
                yield from self._acts(world, worker)
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
            elif world.owners < self.owners:
                yield from self._claims(world, worker)
        for sent in world.wire:
            yield from self._arrives(world, sent)
        if not self.fixed and world.partitions == 1:
            yield "a partition is added", world._replace(partitions=2)

    def _claims(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        owner = world.owners + 1
        for source in range(self.sources):
            tokens = (*world.tokens[:source], owner, *world.tokens[source + 1 :])
            claimed = Worker(source, owner, world.nexts[source])
            after = world.of(worker, claimed)._replace(owners=owner, tokens=tokens)
            yield f"{owner} claims source {source} at {claimed.next}", after

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if not worker.new:
            for new in range(worker.next + 1, min(worker.next + 2, self.events) + 1):
                emitted = world.of(worker, worker._replace(new=new)).flying(None, self._sent(world, worker, new))
                yield f"{worker.owner} folds {worker.next}->{new} and emits", emitted
            return
        if self.emit_first and any(sent.owner == worker.owner for sent in world.wire):
            return
        what, source = f"{worker.owner} commits {worker.next}->{worker.new}", worker.source
        if world.tokens[source] == worker.owner and world.nexts[source] == worker.next:
            nexts = (*world.nexts[:source], worker.new, *world.nexts[source + 1 :])
            yield what, world.of(worker, worker._replace(next=worker.new, new=0))._replace(nexts=nexts)
        else:
            yield f"{what}: FENCED", world.of(worker, IDLE)

    def _sent(self, world: World, worker: Worker, new: int) -> Sent:
        left: list[list[Message]] = [[], []]
        for number, (event, place) in enumerate(self._emitted(new, world.partitions, worker.next)):
            position = event if self.by_event else (worker.next, number)
            left[place].append(Message(worker.source, event, position))
        return Sent(worker.owner, tuple(map(tuple, left)))

    def _arrives(self, world: World, sent: Sent) -> Iterator[tuple[str, World]]:
        for place, log in enumerate(sent.left):
            for number, message in enumerate(log if not self.ordered else log[:1]):
                rest = sent._replace(left=_at(sent.left, place, (*log[:number], *log[number + 1 :])))
                less = arrived = world.flying(sent, rest)
                if self._takes(world, place, message):
                    arrived = less._replace(taken=_at(world.taken, place, (*world.taken[place], message)))
                yield f"{message.event} of {sent.owner} arrives at {place}", arrived
                if not self.gapless:
                    yield f"{message.event} of {sent.owner} is given up", self._failed(less, sent)
        yield f"nothing more of {sent.owner} arrives", self._failed(world.flying(sent, None), sent)

    def _failed(self, world: World, sent: Sent) -> World:
        """The sender, if it lives, is told, and claims again."""
        for worker in world.workers:
            if worker.owner == sent.owner:
                return world.of(worker, IDLE)
        return world


def _at(values: tuple[Log, ...], number: int, value: Log) -> tuple[Log, ...]:
    return (*values[:number], value, *values[number + 1 :])


class Reading(NamedTuple):
    """A reader of one partition.

    Attributes:
        next, taken: its position and its row, committed together.
        kept: its mark, as it is stored.
        mark: and in memory.
    """

    next: int = 0
    taken: tuple[int, ...] = ()
    kept: int = -1
    mark: int = -1
    crashes: int = 0


@dataclass(frozen=True)
class Reader:
    """Reads a log that repeats, and crashes. Its marks are in the commits of its rows, and not beside them."""

    inside: bool = True
    log: tuple[int, ...] = (0, 1, 0, 1, 2, 2)

    @property
    def start(self) -> Reading:
        return Reading()

    def done(self, reading: Reading) -> bool:
        return reading.next == len(self.log)

    def wrong(self, reading: Reading) -> str | None:
        every = tuple(dict.fromkeys(self.log[: reading.next]))
        return None if reading.taken == every else f"it has taken {reading.taken} of {self.log[: reading.next]}"

    def steps(self, reading: Reading) -> Iterator[tuple[str, Reading]]:
        for end in range(reading.next + 1, min(reading.next + 2, len(self.log)) + 1):
            taken, mark = reading.taken, reading.mark
            for position in self.log[reading.next : end]:
                if position > mark:
                    taken, mark = (*taken, position), position
            folded = reading._replace(next=end, taken=taken, mark=mark)
            yield f"it commits {reading.next}->{end}", folded._replace(kept=mark) if self.inside else folded
        if not self.inside:
            yield "it stores its mark", reading._replace(kept=reading.mark)
        if reading.crashes < 2:
            yield "it crashes", reading._replace(mark=reading.kept, crashes=reading.crashes + 1)


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Emission(), id="three claims"),
        pytest.param(Emission(events=4, owners=2), id="four events"),
        pytest.param(Emission(sources=2, events=2, owners=2), id="two sources"),
    ],
)
def test_each_emission_is_taken_once_and_in_order(protocol: Emission) -> None:
    print(holds(protocol))


def test_a_reader_that_crashes_takes_each_once() -> None:
    print(holds(Reader()))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Emission(emit_first=False), id="commit before the events have arrived"),
        pytest.param(Emission(gapless=False), id="a producer that goes on after a gap"),
        pytest.param(Emission(ordered=False), id="events that overtake each other"),
        pytest.param(Emission(by_event=False), id="positions counted from where a batch begins"),
        pytest.param(Emission(marks=False), id="no marks"),
        pytest.param(Emission(by_source=False, sources=2), id="one mark for all sources"),
        pytest.param(Emission(by_partition=False), id="one mark for all partitions"),
        pytest.param(Emission(fixed=False), id="partitions that change"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Emission) -> None:
    fails(mistake)


def test_a_mark_that_is_stored_beside_the_rows_fails() -> None:
    fails(Reader(inside=False))
