"""A worker that counts per user, with its fence or with that left out: `worker KAFKA REGISTRY REDIS TRACE fenced`.

Without the fence a commit is plain writes: the same rows, grouped in the same way, over the same connections, without a
check of who writes or of what comes out, and without a position.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, cast

from benchmarks.prove_streams.product.events import Play
from benchmarks.prove_streams.product.user import PlaysOfUser
from learners import Worker
from millrace.told_to_stop import told_to_stop
from schemas import Codec, RegistryClient
from storage import Claim, Descriptor, Technology, UnitId, UnitState, Writes
from storage.redis.keys import Keys
from storage.redis.pool import exchange
from storage.redis.redis import Redis
from storage.unit import Outcome
from storage.writes import COUNT
from streams import DeadLetters, Kafka, Producer


class Unfenced:
    """Wraps Redis; a commit is plain writes, all else is passed on. It says itself how far units are, as the worker
    would take a position that is not in the store for one that the store has forgotten, and begin again."""

    def __init__(self, technology: Redis) -> None:
        self._technology = technology
        self._reached: dict[UnitId, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._technology, name)

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """Write, whoever has the unit."""
        keys = Keys.of(claim.unit)
        rows = [(keys.prefix(storage, None), counts) for storage, counts in writes.counts.items()]
        commands = [("HINCRBY", prefix + key, COUNT, by) for prefix, counts in rows for key, by in counts.items()]
        with exchange(self._technology.pool) as connection:
            connection.tell(*commands)
            for _ in commands:
                connection.hear()
        self._reached[claim.unit] = new
        return Outcome.OK

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        found = self._technology.units(descriptor)
        return [replace(state, next=self._reached.get(state.unit, state.next)) for state in found]


def main() -> None:
    """Fold until SIGTERM."""
    kafka, registry, url, trace, fence = sys.argv[1:]
    run(kafka, registry, url, Path(trace), fence == "fenced", told_to_stop())


def run(kafka: str, registry: str, url: str, trace: Path, fenced: bool, stop: Event) -> None:
    """Fold until told to stop."""
    broker, schemas = Kafka(kafka), RegistryClient(registry)
    technology = Redis(url)
    with Producer(broker, schemas) as producer:
        Worker(
            kafka=broker,
            codec=Codec(schemas),
            technologies={"redis": cast(Technology, technology if fenced else Unfenced(technology))},
            learners=[PlaysOfUser],
            event_types={Play.event_type.topic: Play.event_type},
            dead_letters=DeadLetters(producer),
            group="fence",
            member="fence-0",
            trace=trace,
        ).run(stop)


if __name__ == "__main__":
    main()
