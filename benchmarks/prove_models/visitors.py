"""Visitors of many experiments at once, made up with a known truth: how often they come, what they like, and when.

The k-th events of all experiments are folded as one batch, so that a thousand experiments, looked at after each of
their events, cost a thousand batches for each thousand events and not a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas import Decision, Event, group_of
from schemas.decision_id import numbered

WINDOW_MS = 30 * 60_000
ARMS = ("old", "new")
_START_MS = 1_767_225_600_000


class Purchase(Event, topic="purchases", key="visitor"):
    """What rewards a decision."""

    visitor: str
    at: datetime
    decision: str | None = None


@dataclass(frozen=True)
class Truth:
    """What is true of the visitors.

    Attributes:
        rate: share of decisions of "new" that are rewarded in time.
        correlation: of two decisions of one visitor: each has a rate of its own, which is beta distributed.
        lift: of "new" over "old": 0.2 = a fifth more.
        part: of the visitors that get "new".
        events: of each experiment, decisions and purchases together.
        apart: so many events of an experiment are between two looks at it.
    """

    rate: float = 0.3
    correlation: float = 0.3
    lift: float = 0.0
    part: float = 0.5
    events: int = 3000
    apart: int = 1


@dataclass(frozen=True)
class Course:
    """One experiment's events in the order of time: which visitor, which decision, and whether it is a purchase."""

    visitor: NDArray[np.int64]
    decision: NDArray[np.int64]
    bought: NDArray[np.bool_]
    at: NDArray[np.int64]
    made: NDArray[np.int64]
    arm: NDArray[np.int64]


def course(truth: Truth, chance: np.random.Generator) -> Course:
    """Draw the visitors of one experiment until it has its events.

    Decisions per visitor are log-normal (median 3, mean 6, one in a thousand above 150), half a minute apart on
    average once a visitor has come, and visitors come all the time. Purchases follow after two minutes on average; one
    in twenty is reported twice, and one in fifty comes after the window.
    """
    visitors = truth.events // 3
    counts = np.minimum(np.ceil(chance.lognormal(1.0, 1.3, visitors)), 2000).astype(np.int64)
    arm = (chance.random(visitors) < truth.part).astype(np.int64)
    spread = 1 / truth.correlation - 1
    likes = chance.beta(truth.rate * spread, (1 - truth.rate) * spread, visitors)
    visitor = np.repeat(np.arange(visitors), counts)
    gaps = chance.exponential(30_000, len(visitor))
    since = np.cumsum(gaps)
    made = (
        np.sort(chance.random(visitors) * visitors * 6_000)[visitor] + since - (since - gaps)[_firsts(counts)][visitor]
    )
    bought = np.flatnonzero(chance.random(len(visitor)) < (likes / np.where(arm == 1, 1.0, 1 + truth.lift))[visitor])
    after = made[bought] + np.minimum(chance.exponential(120_000, len(bought)), WINDOW_MS - 1_000)
    late = chance.random(len(bought)) < 0.02
    after[late] = made[bought[late]] + WINDOW_MS + 60_000
    again = chance.random(len(bought)) < 0.05
    decision = np.concatenate([np.arange(len(visitor)), bought, bought[again]])
    at = np.concatenate([made, after, after[again] + 1_000])
    order = np.argsort(at, kind="stable")[: truth.events]
    decision = decision[order]
    return Course(
        visitor[decision], decision, order >= len(visitor), _ms(at[order]), _ms(made[decision]), arm[visitor[decision]]
    )


def _firsts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.cumsum(counts) - counts)


def _ms(at: NDArray[np.float64]) -> NDArray[np.int64]:
    return _START_MS + at.astype(np.int64)


class Visits:
    """The events of many experiments, step by step."""

    def __init__(self, truth: Truth, runs: int, seed: Sequence[int]) -> None:
        courses = [course(truth, np.random.default_rng([*seed, run])) for run in range(runs)]
        self._of = {
            name: np.stack([getattr(one, name) for one in courses])
            for name in ("visitor", "decision", "bought", "at", "made", "arm")
        }
        self.events = truth.events
        self.runs = runs

    def step(self, first: int, last: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Every experiment's events from one to another: the decisions among them, and the purchases."""
        made, bought = list[_Row](), list[_Row]()
        for run in range(self.runs):
            events = zip(*(values[run, first:last].tolist() for values in self._of.values()), strict=True)
            for visitor, decision, is_purchase, at, moment, arm in events:
                row = (run, f"v{run}.{visitor}", moment, decision, ARMS[arm], at)
                (bought if is_purchase else made).append(row)
        return _decisions(made), _purchases(bought)


_Row = tuple[int, str, int, int, str, int]


def _id(row: _Row) -> str:
    run, visitor, made, decision, arm, _ = row
    return f"{numbered(made, decision << 3, group_of(visitor))}.run{run}.{arm}"


def _decisions(rows: list[_Row]) -> pl.DataFrame:
    columns = {
        "id": [_id(row) for row in rows],
        "endpoint": "offer",
        "implementation": [row[4] for row in rows],
        "hash": "0",
        "experiment": [f"run{row[0]}" for row in rows],
        "variant": [row[4] for row in rows],
        "unit": [row[1] for row in rows],
        "propensity": 0.5,
        "request": "{}",
        "answer": "[]",
        "latency_ms": 1.0,
        "at": [datetime.fromtimestamp(row[2] / 1000, UTC) for row in rows],
    }
    schema = Decision.event_type.frame_schema
    return pl.DataFrame({name: columns.get(name) for name in schema}, schema=schema)


def _purchases(rows: list[_Row]) -> pl.DataFrame:
    columns = {
        "visitor": [row[1] for row in rows],
        "at": [datetime.fromtimestamp(row[5] / 1000, UTC) for row in rows],
        "decision": [_id(row) for row in rows],
    }
    return pl.DataFrame(columns, schema=Purchase.event_type.frame_schema)
