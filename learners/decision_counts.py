"""From decisions to counts per variant: how many, for how many units, how fast, and how many by a fallback."""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta

import polars as pl

from learners.learner import FrameLearner
from learners.stream import stream
from schemas import GROUPS, Record, group_of
from schemas.decision_id import DIGITS, MARK, MARKED, NAME, NUMBER, TIME, WEIGHT
from storage import Counters, Records
from streams import Batch

BUCKETS = 10_000
"""Parts that an experiment splits its units into."""

_NAME = f"^{NAME}$"
"""What a decision's id can hold; the names of counts are made of these and dots."""

_BEGINNING = rf"^{DIGITS}\."
"""How the ids begin that a service of ours makes."""

REMEMBERED = timedelta(days=1)
"""For so long before a unit's newest decision its decisions are known again when they are logged a second time."""
MOST_REMEMBERED = 1_000
"""Decisions of one unit that are known again, at most."""
_REMEMBERED_MS = int(REMEMBERED.total_seconds() * 1000)

_GROUP_NAMES = [str(group) for group in range(GROUPS)]


class CountedUnit(Record):
    """A unit's row.

    Attributes:
        variants: those that it has been in, as `experiment.variant`.
        decisions: the UUIDs of the ids that are known again, in order, which is that of their times.
        forgotten: of those that are not known any more the newest; empty = none.
    """

    unit: str
    variants: list[str]
    decisions: list[str]
    forgotten: str = ""


class DecisionCounts(FrameLearner):
    """What each variant of each experiment has decided, and for how many units; other decisions are left out.

    `counts` has the decisions per experiment and variant. `measures` has rows per experiment and measure, whose fields
    begin with the variant:

    - `experiment.decisions`: decisions by group of units (`variant.17`);
    - `experiment.weighted`: their weights together, in 1/10,000, where the split changes by itself;
    - `experiment.fallbacks`: those that something else had to answer, by group;
    - `experiment.latency`: how many took so long (`variant.step`: see `_step`);
    - `experiment.units`: units by the part of 10,000 that this variant had when they first got it (`variant.5000`).

    A decision counts once, though the log has it twice when the service was killed before it had noted that Kafka has
    it. Known again are a unit's decisions of the last day, 1,000 at most; what comes so late that it is older than one
    that is forgotten does not count, as nobody knows whether it has.
    """

    version = 3
    decisions = stream("decisions")
    counts = Counters("experiment_decisions")
    measures = Counters("experiment_measures")
    units = Records("experiment_units", CountedUnit)

    def learn(self, batch: Batch) -> None:
        """Count decisions per experiment and variant."""
        names = (("id", _BEGINNING), ("experiment", _NAME), ("variant", _NAME))
        logged = batch.frame.filter(*(pl.col(field).str.contains(pattern) for field, pattern in names))
        made = logged.filter(self._count_units(logged)) if logged.height else logged
        if not made.height:
            return
        self.counts.add(made, key="experiment", field="variant")
        made = made.with_columns(
            group=pl.Series([_GROUP_NAMES[group_of(unit)] for unit in made["unit"]]),
            weight=pl.when(_digits(MARKED) == MARK).then(_weight()),
        )
        parts = (
            _measured(made, "decisions", pl.col("group")),
            _measured(made.filter(pl.col("failed").is_not_null()), "fallbacks", pl.col("group")),
            _measured(made, "latency", _step(pl.col("latency_ms"))),
        )
        self.measures.add(pl.concat(parts), key="key", field="field")
        weighted = made.filter(pl.col("weight") > 0)
        places = _measured(weighted, "weighted", pl.col("group")).with_columns(amount=weighted["weight"])
        self.measures.add(places, key="key", field="field", amount="amount")

    def _count_units(self, logged: pl.DataFrame) -> pl.Series:
        """Each unit once for each variant, with its first decision there; which decisions are to be counted."""
        self.units.load(dict.fromkeys(logged["unit"]))
        units = dict[str, _Unit]()
        new = list[bool]()
        for id, unit, experiment, variant, share in logged.select(
            "id", "unit", "experiment", "variant", "propensity"
        ).iter_rows():
            if unit not in units:
                units[unit] = _Unit(self.units.get(unit))
            new.append(units[unit].learn(id[NUMBER]))
            if new[-1] and units[unit].enter(f"{experiment}.{variant}"):
                parts = round(BUCKETS * share) if 0 <= share <= 1 else 0
                self.measures.add_one(f"{experiment}.units", f"{variant}.{parts}")
        for name, one in units.items():
            if one.changed:
                self.units.put_one(name, CountedUnit(name, one.variants, one.decisions, one.forgotten))
        return pl.Series(new, dtype=pl.Boolean)


class _Unit:
    """A unit's row while a batch is folded, one decision after the other."""

    def __init__(self, known: CountedUnit | None) -> None:
        self.variants = [] if known is None else known.variants
        self.decisions = [] if known is None else known.decisions
        self.forgotten = "" if known is None else known.forgotten
        self.changed = False

    def learn(self, number: str) -> bool:
        """Whether this decision counts; remembers it."""
        if number <= self.forgotten:
            return False
        place = bisect_left(self.decisions, number)
        if place < len(self.decisions) and self.decisions[place] == number:
            return False
        self.decisions.insert(place, number)
        oldest = f"{max(0, int(self.decisions[-1][TIME], 16) - _REMEMBERED_MS):012x}"
        done = max(bisect_left(self.decisions, oldest), len(self.decisions) - MOST_REMEMBERED)
        if done:
            self.forgotten = self.decisions[done - 1]
            del self.decisions[:done]
        self.changed = True
        return True

    def enter(self, variant: str) -> bool:
        """Whether it is the unit's first decision in this variant."""
        if variant in self.variants:
            return False
        self.variants.append(variant)
        return True


def _measured(made: pl.DataFrame, measure: str, place: pl.Expr) -> pl.DataFrame:
    """Where to count: under `experiment.measure`, `variant.place`."""
    return made.select(
        key=pl.col("experiment") + f".{measure}", field=pl.concat_str("variant", place.cast(pl.String), separator=".")
    )


def _weight() -> pl.Expr:
    """What `DecisionId.weight` gives, or 0, of all ids at once."""
    return _digits(WEIGHT).str.to_integer(base=16, strict=False)


def _digits(place: slice) -> pl.Expr:
    """The digits of all ids at a place of `schemas.decision_id`."""
    return pl.col("id").str.slice(place.start, place.stop - place.start)


def _step(milliseconds: pl.Expr) -> pl.Expr:
    """The step s of a latency: above 10^((s-1)/10) and up to 10^(s/10) ms, from -10 (0.1 ms and less) to 50."""
    return (10 * milliseconds.clip(0.099, 1e5).log10()).ceil().fill_nan(50).cast(pl.Int64)
