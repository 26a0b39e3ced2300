"""How long and how often is measured: the proof, or just whether every part works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """One size of everything.

    Attributes:
        events: in the topic that is archived.
        rounds: so often the archiver and what it is compared with take turns.
        seconds: of steady state of the ceiling in each round.
        backtested: events that the live worker and the backtest fold.
        backtests: so often these two take turns.
        kills: of archivers, every fourth of which is a stop until another has taken over.
        rebuilt: events in the archive that is rebuilt from.
        distributed: events in the archive that a cluster folds.
        rebuild_kills: of rebuilds, every third of which is such a stop.
    """

    events: int = 4_000_000
    rounds: int = 5
    seconds: float = 8.0
    kills: int = 20
    rebuilt: int = 10_000_000
    distributed: int = 2_000_000
    rebuild_kills: int = 10
    backtested: int = 2_000_000
    backtests: int = 3


PROOF = Extent()
QUICK = Extent(
    events=1_500_000,
    rounds=1,
    seconds=3.0,
    kills=4,
    rebuilt=1_000_000,
    distributed=200_000,
    rebuild_kills=3,
    backtested=1_000_000,
    backtests=1,
)
"""Says whether every part works; its figures mean nothing."""
