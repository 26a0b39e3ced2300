"""What an experiment's results are computed from is counted by units, once, however the events are cut into batches."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl

from learners import DecisionCounts, Goal, Replay, goal_learner
from learners.attribution import Rewards
from learners.checks import check
from learners.decision_counts import MOST_REMEMBERED
from schemas import Decision, DecisionId, Event, group_of
from schemas.decision_id import numbered
from tests.decisions import decided

START = datetime(2026, 1, 1, tzinfo=UTC)


class Click(Event, topic="clicks", key="visitor"):
    visitor: str
    at: datetime
    decision: str | None = None


TYPES = {"clicks": Click.event_type, "decisions": Decision.event_type}
CLICKED = goal_learner(Goal("clicked", "clicks", window=timedelta(minutes=30)), Click.event_type)
EVERY = goal_learner(Goal("every", "clicks", window=timedelta(minutes=30), first=False), Click.event_type)


def decision(
    unit: str,
    variant: str,
    seconds: int,
    grouped: bool = True,
    failed: str | None = None,
    weight: int | None = None,
) -> Decision:
    """A decision of a unit, so many seconds after the start."""
    at = START + timedelta(seconds=seconds)
    bits = random.Random(f"{unit}{seconds}").getrandbits(62)
    number = numbered(round(at.timestamp() * 1000), bits, group_of(unit) if grouped else None, weight)
    made = DecisionId(number, "shelf", variant)
    reason = None if failed is None else "deadline-passed"
    return decided(made.text, unit, variant, at, latency_ms=1.0 + seconds % 7, failed=failed, reason=reason)


def decisions(count: int = 300) -> list[Decision]:
    """Of 40 units, some with many and most with few."""
    chance = random.Random(3)
    units = [f"u{min(39, int(chance.paretovariate(0.6)) - 1)}" for _ in range(count)]
    variants = {unit: chance.choice(["old", "new"]) for unit in sorted(set(units))}
    return [
        decision(unit, variants[unit], second, failed=None if second % 10 else variants[unit])
        for second, unit in enumerate(units)
    ]


def click(of: Decision, after: timedelta = timedelta(seconds=30), visitor: str | None = None) -> Click:
    return Click(visitor or of.unit, of.at + after, of.id)


def test_decisions_are_counted_by_group_of_units_however_they_are_cut() -> None:
    made = decisions()
    frame = Decision.event_type.frame(made)
    assert [found for found in check(DecisionCounts, frame, TYPES) if found.problem] == []

    counted = measures(frame)
    by_group = Counter(f"{one.variant}.{group_of(one.unit)}" for one in made)
    assert counted["shelf.decisions"] == by_group
    assert counted["shelf.units"] == Counter(f"{variant}.5000" for _, variant in {(d.unit, d.variant) for d in made})
    assert counted["shelf.fallbacks"].total() == 30
    assert counted["shelf.latency"].total() == 300


def test_rewards_are_counted_in_the_group_of_their_decision_however_they_are_cut() -> None:
    rewarded = [one for one in decisions() if one.at.second % 3 == 0]
    frame = Click.event_type.frame([click(one) for one in rewarded])
    assert [found for found in check(CLICKED, frame, TYPES) if found.problem] == []

    assert groups(CLICKED, frame) == Counter(f"{one.variant}.{group_of(one.unit)}" for one in rewarded)


def test_a_repeated_reward_and_one_after_the_window_count_nothing() -> None:
    one, other = decision("u1", "old", 0), decision("u2", "old", 1)
    events = [click(one), click(one, timedelta(seconds=40)), click(other, timedelta(minutes=31))]

    assert groups(CLICKED, Click.event_type.frame(events)) == {f"old.{group_of('u1')}": 1}


def test_where_every_reward_counts_the_group_is_the_decisions_whoever_sends_them() -> None:
    one = decision("u1", "old", 0)
    events = [click(one, visitor="a device"), click(one, timedelta(seconds=40), "another")]

    assert groups(EVERY, Click.event_type.frame(events)) == {f"old.{group_of('u1')}": 2}


def test_an_id_of_before_there_were_groups_is_counted_in_the_group_of_the_events_key() -> None:
    one = decision("u1", "old", 0, grouped=False)

    assert groups(CLICKED, Click.event_type.frame([click(one)])) == {f"old.{group_of('u1')}": 1}


def test_where_the_split_changes_by_itself_decisions_and_rewards_are_counted_by_their_weights_too() -> None:
    made = [decision("u1", "old", number, weight=weight) for number, weight in enumerate([10_000, 19_800, 200])]

    counted, place = measures(Decision.event_type.frame(made)), f"old.{group_of('u1')}"
    rewarded = _rows(_replayed(CLICKED, Click.event_type.frame([click(made[1]), click(made[2])])))

    assert (counted["shelf.decisions"][place], counted["shelf.weighted"][place]) == (3, 30_000)
    assert (rewarded["shelf"][place], rewarded["shelf.weighted"][place]) == (2, 20_000)
    assert [found for found in check(DecisionCounts, Decision.event_type.frame(made), TYPES) if found.problem] == []


def test_a_decision_that_was_logged_again_counts_once_however_they_are_cut() -> None:
    made = decisions()
    logged = [*made[:200], *made[150:220], *made[10:30], *made[220:], *made[250:]]
    frame = Decision.event_type.frame(logged)
    assert [found for found in check(DecisionCounts, frame, TYPES) if found.problem] == []

    found, expected = (DecisionCounts.replay(Decision.event_type.frame(some), 2, TYPES) for some in (logged, made))
    assert _rows(found["experiment_measures"]) == _rows(expected["experiment_measures"])
    assert _rows(found["experiment_decisions"])["shelf"].total() == 300


def test_a_decision_is_known_again_for_a_day_and_does_not_count_after_one_that_is_forgotten() -> None:
    day = 24 * 60 * 60
    first, second, third = decision("u1", "old", 0), decision("u1", "old", 60), decision("u1", "old", day)
    late, later = decision("u1", "old", 30), decision("u1", "old", day + 61)

    assert counted([first, third, first, late, second]) == 4
    assert counted([first, later, first]) == 2
    assert counted([second, later, first]) == 2


def test_of_a_unit_that_asks_without_end_the_newest_decisions_are_known_again() -> None:
    made = [decision("u1", "old", second) for second in range(MOST_REMEMBERED + 10)]
    frame = Decision.event_type.frame([*made, *made])

    kept = DecisionCounts.replay(frame, 1, TYPES)["experiment_units"]

    assert counted([*made, *made]) == len(made)
    assert kept["decisions"].list.len().to_list() == [MOST_REMEMBERED]


def test_what_no_service_of_ours_has_decided_is_not_counted() -> None:
    assert measures(Decision.event_type.frame([decided("7", "u1", "old", START)])) == {}


def test_a_unit_that_changes_its_variant_is_a_unit_of_both() -> None:
    made = [decision("u1", "old", 0), decision("u1", "new", 1), decision("u1", "old", 2)]

    assert measures(Decision.event_type.frame(made))["shelf.units"] == {"old.5000": 1, "new.5000": 1}


def test_a_latency_falls_into_the_step_that_ends_at_or_above_it() -> None:
    taken = [0.0, -1.0, 0.05, 0.11, 1.0, 1.1, 10.0, 1e9, float("nan")]
    frame = Decision.event_type.frame([decision("u1", "old", second) for second in range(len(taken))])

    counted = measures(frame.with_columns(latency_ms=pl.Series(taken)))["shelf.latency"]

    assert counted == {f"old.{step}": count for step, count in {-10: 3, -9: 1, 0: 1, 1: 1, 10: 1, 50: 2}.items()}


def test_names_that_no_experiment_can_have_are_not_counted() -> None:
    made = decision("u1", "old", 0)
    frame = Decision.event_type.frame([made]).with_columns(experiment=pl.lit("shelf.units"))

    assert measures(frame) == {}


def counted(made: list[Decision]) -> int:
    """How many decisions of the experiment `shelf` count."""
    rows = _rows(DecisionCounts.replay(Decision.event_type.frame(made), 2, TYPES)["experiment_decisions"])
    return rows["shelf"].total()


def measures(frame: pl.DataFrame) -> dict[str, Counter[str]]:
    return _rows(DecisionCounts.replay(frame, 2, TYPES)["experiment_measures"])


def groups(learner: type[Rewards], frame: pl.DataFrame) -> Counter[str]:
    return _rows(_replayed(learner, frame))["shelf"]


def _replayed(learner: type[Rewards], frame: pl.DataFrame) -> pl.DataFrame:
    replay = Replay([learner], TYPES, 2)
    replay.fold("clicks", frame)
    return replay.frames()[f"experiment_rewards_{learner.goal.name}_groups"]


def _rows(frame: pl.DataFrame) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for key, field, value in frame.select("key", "field", "value").iter_rows():
        found.setdefault(key, Counter())[field] = value
    return found
