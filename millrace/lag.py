"""How far a product's learners are behind its topics: the positions they committed against the ends of the logs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from learners.declaration import declarations
from learners.repartition import with_repartitions
from millrace.platform import Platform, all_event_types, all_learners, placement, prefix_of
from millrace.product import Product
from storage import UnitState


@dataclass(frozen=True)
class Lag:
    """`events` not yet learned by the slowest learner of each partition; `seconds` since a partition that is behind
    was last committed (0 when none is behind)."""

    events: int
    seconds: float


def lag_of(
    ends: Mapping[tuple[str, int], tuple[int, int]],
    learners: Mapping[str, str],
    units: Sequence[UnitState],
    now_ms: float,
) -> Lag:
    """Compare the ends (low, high) of partitions with the units that fold them. Pure.

    Args:
        learners: name -> topic. One that has no unit on a partition yet counts from that partition's low end.
    """
    states = {(state.unit.learner, state.unit.topic, state.unit.partition): state for state in units}
    behind: dict[tuple[str, int], tuple[int, float]] = {}
    for learner, topic in learners.items():
        for (name, partition), (low, high) in ends.items():
            state = states.get((learner, topic, partition))
            position = low if state is None or state.next is None else state.next
            if name == topic and high > position:
                committed = state.committed_ms if state is not None and state.committed_ms is not None else now_ms
                found = high - position, (now_ms - committed) / 1000
                behind[name, partition] = max(behind.get((name, partition), found), found)
    return Lag(
        sum(events for events, _ in behind.values()), max((seconds for _, seconds in behind.values()), default=0.0)
    )


class LagMeter:
    """Measures the lag of a product's learners. Each call blocks for one read of the storages and one of Kafka."""

    def __init__(self, platform: Platform, product: Product) -> None:
        self._platform = platform
        asked = declarations(all_learners(product), all_event_types(product))
        learners = with_repartitions(asked, prefix_of(product), platform.topics.partitions)
        self._writers = {f"{item.name}@{item.learner.version}" for item in learners}
        self._learners = {item.name: item.topic for item in learners}
        self._derived = any(item.source is not None for item in learners)
        self._runner = asyncio.Runner()  # Ctrl-C cancels what it runs, and leaves no task behind
        placed = placement(product, platform.settings)
        self._technologies = {placed.of(form) for item in learners for form in item.placed}
        self._opened = AsyncExitStack()
        self._catalogue = self._runner.run(self._opened.enter_async_context(platform.catalogue()))

    def measure(self) -> Lag:
        """The lag now. Learners that have not declared their storages yet count as having learned nothing."""
        topics = self._platform.topics
        wanted = set(self._learners.values())  # a derived topic is made by a worker
        ends = topics.ends(sorted(wanted if not self._derived else wanted.intersection(topics.names())))
        return lag_of(ends, self._learners, self.units(), time.time() * 1000)

    def wait_until_level(self, timeout: float) -> Lag:
        """Measure until no event is behind, or until `timeout` seconds have passed; the last lag is returned."""
        until = time.monotonic() + timeout
        lag = self.measure()
        while lag.events and time.monotonic() < until:
            time.sleep(0.02)
            lag = self.measure()
        return lag

    def units(self) -> list[UnitState]:
        """What each unit of these learners has committed. Blocks for one read of the storages."""
        return self._runner.run(self._units())

    def close(self) -> None:
        """Close the connection and the loop it lived on."""
        self._runner.run(self._opened.aclose())
        self._runner.close()

    async def _units(self) -> list[UnitState]:
        await self._catalogue.refresh()
        self._catalogue.must_answer(self._technologies)
        states = self._catalogue.states()
        mine = {item.title for item in self._catalogue.storages() if item.writer in self._writers}
        return [state for title, found in states.items() if title in mine for state in found]
