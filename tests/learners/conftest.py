"""The parts that this room's tests put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

import pytest

from learners.declaration import Declaration
from learners.homes import Homes
from learners.partition import Partition
from learners.trace import Trace
from learners.unit import State, Unit
from storage import Memory, UnitId
from streams import Batch, DeliveryFailed, Rejected
from tests.learners.samples import EVENT_TYPES, Log

MakeUnit = Callable[[Memory, type[Any]], Unit]


@pytest.fixture(scope="session")
def committer() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def make_unit(committer: ThreadPoolExecutor) -> MakeUnit:
    def make(technology: Memory, learner: type[Any]) -> Unit:
        declaration = Declaration.of(learner, EVENT_TYPES)
        generation = Homes.single(declaration, technology).declare()
        unit = UnitId(declaration.name, learner.version, generation, "ratings", 0)
        return Unit(unit, declaration, technology, committer, Trace(None), 0.025)

    return make


@pytest.fixture
def make_yielding(committer: ThreadPoolExecutor, make_unit: MakeUnit) -> MakeUnit:
    """Makes units that stop where another claims them."""

    def make(technology: Memory, learner: type[Any]) -> Unit:
        known = make_unit(technology, learner).id
        declaration = Declaration.of(learner, EVENT_TYPES)
        return Unit(known, declaration, technology, committer, Trace(None), 0.025, gives_up=True)

    return make


def folded(unit: Unit, batch: Batch) -> None:
    """Let the unit fold and commit a batch, however often it must wait for a commit; or until it has given up."""
    while unit.state is State.ACTIVE and (unit.position is None or unit.position < batch.next):
        unit.advance(batch)
        unit.drain()


class Stage:
    """A partition's units over a log, driven as the worker drives them."""

    def __init__(self, log: Log, memory: Memory, learners: Sequence[type[Any]], make_unit: MakeUnit) -> None:
        self.log, self.memory, self.learners, self._make_unit = log, memory, learners, make_unit
        self.buried: list[int] = []
        self.refuse_burials = 0
        self.assign()

    def assign(self) -> None:
        """A worker gets the partition; one that had it before is dead, with all that it had in memory."""
        self.units = [self._make_unit(self.memory, learner) for learner in self.learners]
        self.partition = Partition("ratings", 0, self.units, self._bury, lambda *_: self._range())
        self.log.paused = False
        self.log.place = self.partition.start()

    def step(self, count: int = 1_000, patience: float = 10.0) -> None:
        """One pass of the worker's loop.

        Args:
            patience: seconds for which it waits for commits where events wait for them.
        """
        fetched = self.log.poll(count)
        self.partition.polled()
        if fetched is not None:
            self.partition.receive(fetched)
        until = time.monotonic() + patience
        while flights := self.partition.held_up:
            if not wait(flights, max(0.0, until - time.monotonic()), FIRST_COMPLETED).done:
                break
            self.partition.go_on()
        self.partition.work(self.log)

    def run(self, count: int = 1_000, patience: float = 20.0) -> None:
        """Pass after pass until every unit has committed the whole log."""
        deadline = time.monotonic() + patience
        while not all(unit.committed == self.log.whole.next for unit in self.units if unit.state is not State.STOPPED):
            assert time.monotonic() < deadline, [(str(unit), unit.problem) for unit in self.units]
            self.step(count)
            time.sleep(0.0005)

    def _bury(self, rejected: Sequence[Rejected]) -> None:
        if self.refuse_burials:
            self.refuse_burials -= 1
            raise DeliveryFailed("Kafka is away")
        self.buried += [item.offset for item in rejected]

    def _range(self) -> tuple[int, int]:
        return self.log.whole.first, self.log.whole.next


@pytest.fixture
def make_stage(make_unit: MakeUnit) -> Callable[..., Stage]:
    def make(log: Log, memory: Memory, learners: Sequence[type[Any]]) -> Stage:
        return Stage(log, memory, learners, make_unit)

    return make
