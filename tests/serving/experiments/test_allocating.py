"""Thompson sampling as it lives: one split for each period, written once, by which all replicas draw units anew."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.table import MemoryTable
from serving import Experiment, ExperimentRefused
from serving.assignment import bucket, weights
from serving.endpoints import Endpoints
from serving.errors import ExperimentConflict
from serving.experiments.allocating import Allocating
from serving.experiments.changes import Who, allocate, create
from serving.experiments.definition import Definition, of_bytes
from serving.experiments.experiments import Experiments
from serving.experiments.known import Known
from serving.experiments.thompson import Counts, chances, split_ends
from tests.serving.experiments.test_changes import Loaded
from tests.serving.shop import Recommendations, Shop, popular
from tests.serving.test_assignment import rows

HOUR = 3600
BANDIT = Experiment(
    "bandit", "recommend", {"popular_now": 1, "newest": 1}, "click", ramp=100, period=timedelta(hours=1)
)
SERVED = Loaded({"recommend": ("popular_now", "newest")})


class Clock:
    """A clock that a test sets."""

    at = 1000.0 * HOUR

    def __call__(self) -> float:
        return self.at


def figures(decisions: int | None, **rewards: int) -> Any:
    """What was counted, the same number of decisions for each variant."""
    shown = [SimpleNamespace(name=name, decisions=decisions, rewards=found) for name, found in rewards.items()]
    return [SimpleNamespace(name="bandit", variants=shown)]


def item_of(table: MemoryTable) -> Definition:
    return of_bytes(table.rows()["bandit"], "bandit")


class Replica:
    """Experiments and endpoints of one replica."""

    def __init__(self, table: MemoryTable, clock: Clock, counted: Any) -> None:
        self.experiments = Experiments({}, table)
        self.endpoints = Endpoints([popular(default=Recommendations([]))], [], Shop().catalogue, clock)
        self.experiments.listen(self.endpoints.assign)
        self.allocating = Allocating(self.experiments, lambda: counted, clock)

    async def look(self) -> None:
        await self.experiments.begin(10)
        self.endpoints.follow()

    def choices(self, units: int = 300) -> list[tuple[str | None, float]]:
        choice = self.endpoints.current["recommend"].choice
        found = [choice(f"u{number}") for number in range(units)]
        shares = self.shares
        assert {(one.variant, one.weight) for one in found} == set(zip(BANDIT.split, weights(shares), strict=True))
        return [(one.variant, one.propensity) for one in found]

    @property
    def shares(self) -> list[float]:
        """The propensities of now, the control's first."""
        choice = self.endpoints.current["recommend"].choice
        found = {one.variant: one.propensity for one in (choice(f"u{number}") for number in range(300))}
        return [found[name] for name in BANDIT.split]


async def test_a_split_is_written_once_before_its_period_and_all_replicas_draw_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, table = Clock(), MemoryTable()
    monkeypatch.setattr("serving.experiments.changes.time.time", clock)
    counted = figures(1000, popular_now=100, newest=160)
    replicas = [Replica(table, clock, counted) for _ in range(2)]
    await replicas[0].experiments.change("bandit", create(BANDIT, Who("ada"), SERVED))
    for replica in replicas:
        await replica.look()
        await replica.allocating.step()
    first = replicas[0].choices()
    assert [split.number for split in item_of(table).splits] == [1000], "too early for the next one"
    assert first == replicas[1].choices()
    assert {share for _, share in first} == {0.5}

    clock.at += HOUR - 1
    for replica in replicas:
        await replica.allocating.step()
    item = item_of(table)
    assert [split.number for split in item.splits] == [1000, 1001]
    assert item.revision == 2, "the second replica found it written"
    ends = split_ends(chances([Counts(1000, 100), Counts(1000, 160)]))
    assert item.splits[-1].ends == ends
    assert [replica.choices() for replica in replicas] == [first, first], "its period has not begun"

    clock.at += 1
    for replica in replicas:
        await replica.look()
    second = replicas[0].choices()
    assert second == replicas[1].choices()
    assert {share for _, share in second} == {ends[0] / 10_000, 1 - ends[0] / 10_000}
    assert second == [
        [("popular_now", ends[0] / 10_000), ("newest", 1 - ends[0] / 10_000)][
            bisect_right(ends, bucket("bandit/1001", f"u{number}"))
        ]
        for number in range(300)
    ]
    moved = sum(before[0] != after[0] for before, after in zip(first, second, strict=True))
    assert 100 < moved < 200, "each unit is drawn anew"


async def test_while_nothing_is_counted_the_split_before_goes_on() -> None:
    clock, table = Clock(), MemoryTable()
    replica = Replica(table, clock, figures(None, popular_now=1, newest=1))
    await replica.experiments.change("bandit", create(BANDIT, Who("ada"), SERVED))
    clock.at += HOUR - 1
    await replica.allocating.step()
    assert len(item_of(table).splits) == 1
    replica.allocating = Allocating(replica.experiments, list, clock)
    await replica.allocating.step()
    assert len(item_of(table).splits) == 1


async def test_an_experiment_that_has_ended_or_keeps_its_split_gets_none() -> None:
    known = Known({}, {})
    fixed = create(replace(BANDIT, name="fixed", period=None), Who("ada"), SERVED)(known)
    assert fixed is not None
    assert fixed.splits == ()
    known = Known({}, {"fixed": fixed})
    assert allocate("fixed", 7, [Counts(1, 1), Counts(1, 0)])(known) is None


def test_what_differs_in_its_period_alone_is_another_experiment() -> None:
    item = create(BANDIT, Who("ada"), SERVED)(Known({}, {}))
    assert item is not None
    known = Known({}, {"bandit": item})
    assert create(BANDIT, Who("ada"), SERVED)(known) is None
    for period in (None, timedelta(hours=2)):
        with pytest.raises(ExperimentConflict, match="There is an experiment bandit already"):
            create(replace(BANDIT, period=period), Who("ada"), SERVED)(known)


def test_only_the_newest_splits_are_kept() -> None:
    item = create(BANDIT, Who("ada"), SERVED)(Known({}, {}))
    assert item is not None
    first = item.splits[0].number
    for number in range(first + 1, first + 6):
        following = allocate("bandit", number, [Counts(1, 1), Counts(1, 0)])(Known({}, {"bandit": item}))
        assert following is not None
        item = following
    assert [split.number for split in item.splits] == [first + 3, first + 4, first + 5]
    assert of_bytes(item.to_bytes(), "bandit") == item
    assert len(item.history) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"period": timedelta(seconds=59)}, "a minute to thirty days"),
        ({"period": timedelta(days=31)}, "a minute to thirty days"),
        ({"period": timedelta(milliseconds=90_500)}, "in whole seconds"),
        ({"split": {"newest": 1}}, "no second variant"),
    ],
)
def test_a_period_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentRefused, match=message):
        replace(BANDIT, **change)


def test_it_needs_a_goal_that_counts_a_decision_once() -> None:
    with pytest.raises(ExperimentRefused, match="clicks may count it several times"):
        create(replace(BANDIT, goal="clicks"), Who("ada"), SERVED)(Known({}, {}))


@pytest.mark.parametrize(("salt", "unit", "number", "variant", "propensity"), rows("salt of a period"))
def test_the_published_vectors_of_periods_hold(
    salt: str, unit: str, number: str, variant: str, propensity: str
) -> None:
    item = create(BANDIT, Who("ada"), SERVED)(Known({}, {}))
    assert item is not None
    assert bucket(salt, unit) == int(number)
    ends = (2113, 10_000)
    at = bisect_right(ends, int(number))
    assert (list(BANDIT.split)[at], float(propensity)) == (variant, [0.2113, 0.7887][at])
    assert math.isclose(float(propensity), (ends[at] - (0, *ends)[at]) / 10_000)
