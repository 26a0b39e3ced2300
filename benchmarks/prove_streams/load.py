"""Sends plays at a rate until it is ended, and says how many: `load KAFKA REGISTRY RATE TRACE`.

At the rate 0 it sends as many as the worker, whose trace it reads, commits: what both can do together on this machine.
"""

from __future__ import annotations

import sys
import time
from itertools import cycle
from pathlib import Path

from benchmarks.prove_storage.member import Line, Tail
from benchmarks.prove_streams import plays
from benchmarks.prove_streams.peers.count import Count
from benchmarks.prove_streams.product.events import Play
from schemas import RegistryClient

MADE = 50_000
TICK = 0.002
"""Seconds between two looks at the clock: bursts are no longer."""
MOST_BEHIND = 50_000
"""At the rate 0 it waits while so many events are not committed."""


def main() -> None:
    """Send."""
    kafka, registry, rate, trace = sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])
    made = cycle(plays.made(RegistryClient(registry).register(Play.event_type), MADE))
    client, count, begun, backlog = plays.producer(kafka), Count(), time.monotonic(), Backlog(trace)
    while True:
        due = rate * (time.monotonic() - begun) if rate else backlog.committed() + MOST_BEHIND
        few = int(due) - count.events
        for _ in range(few):
            plays.send(client, *next(made))
        client.poll(0)
        if few > 0:
            count.add(few)
        time.sleep(TICK)


class Backlog:
    """How much of what came since the beginning is committed, by a worker's trace."""

    def __init__(self, trace: Path) -> None:
        self._tail = Tail(trace)
        self._positions: dict[int, int] = {}
        self._first = self._total()

    def committed(self) -> int:
        """So many events."""
        return self._total() - self._first

    def _total(self) -> int:
        lines: list[Line] = []
        self._tail.into(lines)
        self._positions |= {line["committed"][1]: line["committed"][2] for line in lines if "committed" in line}
        return sum(self._positions.values())


if __name__ == "__main__":
    main()
