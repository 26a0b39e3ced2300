"""Every row of the product's storages against the control, after all kills."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.prove_loop.control import Control, events, rating_row
from benchmarks.prove_loop.stage import Stage
from learners.declaration import Declaration
from millrace.platform import all_event_types, all_learners
from storage import to_frame

Key = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """Events whose effect is missing from the rows, effects counted once too often, and rows compared."""

    lost: int
    duplicated: int
    rows: int

    def __add__(self, other: Difference) -> Difference:
        return Difference(self.lost + other.lost, self.duplicated + other.duplicated, self.rows + other.rows)


def compare(running: Stage, journal: Path) -> Difference:
    """Compare every row that the product's learners have written with what the producer's file demands."""
    films, decided, control = {}, Counter[str](), Control()
    for event in events(journal):
        topic = event.pop("topic")
        if topic == "items":
            films[event["item"]] = event
            continue
        control.learn(*rating_row(event))
        if event["stars"] >= 4 and event.get("decision"):
            decided[event["decision"]] += 1
    found = _frames(running)
    pairs = {(film, other): count for film, row in control.pairs.items() for other, count in row.items()}
    return (
        compare_counts(pairs, _scores(found["co_watched"]))
        + compare_counts({("all", film): count for film, count in control.viewers.items()}, _scores(found["liked"]))
        + compare_counts(
            {("all", user): count for user, count in control.ratings.items()}, _scores(found["active_viewers"])
        )
        + compare_decayed(
            {("all", film): score for film, score in control.popular().items()}, _scores(found["popular"])
        )
        + compare_histories(control.stars, found["viewer_history"])
        + compare_films(films, found["titles"])
        + compare_counts(_rewards(decided), _fields(found["experiment_rewards_liked"]))
    )


def compare_counts(expected: Mapping[Key, float], found: Mapping[Key, float]) -> Difference:
    """Integers, exactly: each one missing counts as lost, each one too many as duplicated."""
    lost = duplicated = 0
    for key in expected.keys() | found.keys():
        difference = found.get(key, 0) - expected.get(key, 0)
        lost += max(0, math.ceil(-difference))
        duplicated += max(0, math.ceil(difference))
    return Difference(lost, duplicated, len(expected))


def compare_decayed(expected: Mapping[Key, float], found: Mapping[Key, float]) -> Difference:
    """Decayed sums, at 1e-9 relative: a row further below has lost, one further above has doubled at least one."""
    lost = duplicated = 0
    for key in expected.keys() | found.keys():
        want, have = expected.get(key, 0.0), found.get(key, 0.0)
        if not math.isclose(want, have, rel_tol=1e-9):
            lost += have < want
            duplicated += have >= want
    return Difference(lost, duplicated, len(expected))


def compare_histories(expected: Mapping[str, Mapping[str, int]], frame: pl.DataFrame) -> Difference:
    """Owned rows, exactly and in order. A row in another order, or with other stars, has lost one event."""
    found = {row["user"]: list(zip(row["items"], row["stars"], strict=True)) for row in frame.iter_rows(named=True)}
    lost = duplicated = 0
    for user in expected.keys() | found.keys():
        want, have = list(expected.get(user, {}).items()), found.get(user, [])
        if want != have:
            missing, more = Counter(want) - Counter(have), Counter(have) - Counter(want)
            lost += max(missing.total(), 0 if more else 1)
            duplicated += more.total()
    return Difference(lost, duplicated, len(expected))


def compare_films(expected: Mapping[str, Mapping[str, Any]], frame: pl.DataFrame) -> Difference:
    """The catalogue: each film as its last event says."""
    found = {row["item"]: row for row in frame.iter_rows(named=True)}
    lost = sum(found.get(item) != dict(film) for item, film in expected.items())
    return Difference(lost, len(found.keys() - expected.keys()), len(expected))


def _frames(running: Stage) -> dict[str, pl.DataFrame]:
    """Every storage of the product's learners, read from Redis itself."""
    redis, found = running.platform.technologies["redis"], {}
    for learner in all_learners(running.product):
        declaration = Declaration.of(learner, all_event_types(running.product))
        storages = zip(declaration.storages.values(), declaration.descriptors(learner.version), strict=False)
        found.update({storage.name: to_frame(storage, redis, descriptor) for storage, descriptor in storages})
    return found


def _scores(frame: pl.DataFrame) -> dict[Key, float]:
    return {(key, member): score for key, member, score in frame.select("key", "member", "score").iter_rows()}


def _fields(frame: pl.DataFrame) -> dict[Key, float]:
    return {(key, name): value for key, name, value in frame.select("key", "field", "value").iter_rows()}


def _rewards(decided: Mapping[str, int]) -> dict[Key, float]:
    """A decision of an experiment is rewarded once, however often the film was liked; its id names both."""
    found: Counter[Key] = Counter()
    for decision in decided:
        _, experiment, variant = decision.split(".")
        if experiment != "-":
            found[experiment, variant] += 1
    return dict(found)
