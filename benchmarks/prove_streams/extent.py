"""How long and how often is measured: the proof, the report of `make bench`, or just whether every part works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """One size of everything.

    Attributes:
        events: in the topic whose events are counted.
        rounds: so often our worker and all that it is compared with in events/s take turns.
        seconds: of steady state in each round.
        peer_rounds, peer_seconds: the same of other products, which are slower and start more slowly.
        warm: seconds after the first progress that are not measured.
        fence_rounds: turns of the worker with and without its fence.
        model_rounds: turns of a learner with a model of River's, and of that model alone.
        stores: whether the other storages are measured beside Redis.
        partitions: of the topics on which the CPU of an event is compared.
        rebalances: of the group while the worker's memory is looked at.
        memory: events after which the memory is compared, few and many.
        load_seconds: at each load while the freshness is measured.
        kills: of a worker, for the recovery.
        chain_kills: of the workers of a chain.
        chain_rate: events per second that flow through it meanwhile.
        faust_events: that go through the example with Faust.
    """

    events: int = 8_000_000
    rounds: int = 3
    seconds: float = 8.0
    peer_rounds: int = 2
    peer_seconds: float = 20.0
    warm: float = 2.0
    fence_rounds: int = 4
    model_rounds: int = 0
    stores: bool = False
    partitions: tuple[int, ...] = (1, 32)
    rebalances: int = 100
    memory: tuple[int, int] = (1_000_000, 10_000_000)
    load_seconds: float = 25.0
    kills: int = 5
    chain_kills: int = 12
    chain_rate: float = 4_000.0
    faust_events: int = 9_000


PROOF = Extent()
BENCH = Extent(events=6_000_000, rounds=4, seconds=6.0, model_rounds=2, stores=True, kills=8)
"""What `make bench` takes within 25 minutes."""
QUICK = Extent(
    events=400_000,
    rounds=1,
    seconds=4.0,
    peer_rounds=1,
    peer_seconds=3.0,
    warm=0.5,
    fence_rounds=1,
    model_rounds=1,
    stores=True,
    rebalances=4,
    memory=(50_000, 400_000),
    load_seconds=3.0,
    kills=1,
    chain_kills=2,
    chain_rate=500.0,
    faust_events=1_000,
)
"""Says whether every part works; its figures mean nothing."""
