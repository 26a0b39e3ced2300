"""How far a product's learners are behind its topics: the positions they committed against the ends of the logs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from millrace.platform import Platform, all_learners
from millrace.product import Product
from storage import Catalogue, UnitState


@dataclass(frozen=True)
class Lag:
    """`events` not yet learned by the slowest learner of each partition; `seconds` since a partition that is behind
    was last committed (0 when none is behind)."""

    events: int
    seconds: float


def lag_of(ends: Mapping[tuple[str, int], tuple[int, int]], units: Sequence[UnitState], now_ms: float) -> Lag:
    """Compare the ends (low, high) of partitions with the units that fold them. Pure.

    A partition without a unit counts from its low end: its learner has not begun.
    """
    positions: dict[tuple[str, int], tuple[int, float]] = {}
    for state in units:
        key = (state.unit.topic, state.unit.partition)
        low = ends.get(key, (0, 0))[0]
        found = (low if state.next is None else state.next, state.committed_ms or now_ms)
        positions[key] = min(positions.get(key, found), found)
    events, seconds = 0, 0.0
    for key, (low, high) in ends.items():
        position, committed = positions.get(key, (low, now_ms))
        if high > position:
            events += high - position
            seconds = max(seconds, (now_ms - committed) / 1000)
    return Lag(events, seconds)


class LagMeter:
    """Measures the lag of a product's learners. Each call blocks for one read of the storages and one of Kafka."""

    def __init__(self, platform: Platform, product: Product) -> None:
        self._platform = platform
        self._writers = {f"{learner.name}@{learner.version}" for learner in all_learners(product)}
        self._topics = sorted(product.event_types)
        self._runner = asyncio.Runner()  # Ctrl-C cancels what it runs, and leaves no task behind
        self._reads = platform.redis_reads()
        self._catalogue = Catalogue({platform.redis.name: self._reads})

    def measure(self) -> Lag:
        """The lag now. Learners that have not declared their storages yet count as having learned nothing."""
        ends = self._platform.topics.ends(self._topics)
        return lag_of(ends, self.units(), time.time() * 1000)

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
        self._runner.run(self._reads.close())
        self._runner.close()

    async def _units(self) -> list[UnitState]:
        await self._catalogue.refresh()
        states = await self._catalogue.states()
        mine = {item.title for item in self._catalogue.storages() if item.writer in self._writers}
        return [state for title, found in states.items() if title in mine for state in found]
