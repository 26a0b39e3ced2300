"""A new implementation's reward from a log: decisions count with the probability that their answer was given."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from millrace.evaluate import Wanted, part_of, taken_of
from millrace.evaluation import Answers, Taken, evaluate
from schemas import Decision
from tests.decisions import decided

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WANTED = Wanted("recommend", "new", None, "", timedelta(days=1), 1_000)
RATES = {"drama": 0.2, "comedy": 0.4, "western": 0.1}


def old(request: int) -> str:
    return ["drama", "comedy", "western"][request % 3]


def other(request: int) -> str:
    return ["comedy", "comedy", "drama"][request % 3]


def log(units: int = 4_000) -> list[Taken]:
    """Of an experiment with two variants: half of the units get `old` and half get `other`."""
    chance = random.Random(1)
    made = []
    for unit in range(units):
        name, function = chance.choice([("old", old), ("other", other)])
        for _ in range(3):
            request = chance.randrange(30)
            answer = function(request)
            rewarded = float(chance.random() < RATES[answer])
            made.append(Taken("shelf", name, 0.5, f"u{unit}", str(request), answer, rewarded))
    return made


def answers(**functions: Callable[[int], str]) -> Answers:
    return {name: {str(r): function(r) for r in range(30)} for name, function in functions.items()}


def test_an_implementation_that_is_supported_is_estimated_rightly() -> None:
    def new(request: int) -> str:
        return "comedy" if request % 3 == 0 else old(request)

    found = evaluate(log(), "new", answers(new=new, old=old, other=other))

    truth = (0.4 + 0.4 + 0.1) / 3
    assert found.support.problems == []
    assert all(one.low <= truth <= one.high and one.high - one.low < 0.1 for one in found.estimates.values())
    assert (found.reproduced, found.failed) == (1.0, 0)
    assert found.logged["old"].value == pytest.approx((0.2 + 0.4 + 0.1) / 3, abs=0.02)


def test_variants_that_answer_alike_share_their_propensities() -> None:
    found = evaluate(log(), "old", answers(old=old, other=other))
    alone = evaluate(log(), "old", answers(old=old))

    assert found.support.problems == []
    assert any("weights" in problem for problem in alone.support.problems)


@pytest.mark.parametrize("splits_an_hour", [1, 2])
def test_where_the_split_follows_the_rewards_each_decision_has_the_weight_of_its_own_split(splits_an_hour: int) -> None:
    changing = following(splits_an_hour)
    names = answers(new=old, old=old, other=other)
    found = evaluate(changing, "new", names)

    truth = (0.2 + 0.4 + 0.1) / 3
    assert found.support.problems == []
    for one in found.estimates.values():
        assert one.low <= truth <= one.high
    assert found.estimates["ips"].value == pytest.approx(truth, abs=0.015)


def following(splits_an_hour: int, hours: int = 40) -> list[Taken]:
    """Of an experiment whose split is another in each of its periods, and last gives `other` most of the units."""
    chance, made = random.Random(2), []
    for period in range(hours * splits_an_hour):
        share = 0.1 if period == hours * splits_an_hour - 1 else chance.choice([0.1, 0.5, 0.9])
        for number in range(600 // splits_an_hour):
            name, function, drawn = ("old", old, share) if chance.random() < share else ("other", other, 1 - share)
            request = chance.randrange(30)
            answer, unit = function(request), f"{period}/{number}"
            rewarded = float(chance.random() < RATES[answer])
            made.append(Taken("shelf", name, drawn, unit, str(request), answer, rewarded, period // splits_an_hour))
    return made


def test_answers_that_were_never_given_are_told() -> None:
    found = evaluate(log(), "new", answers(new=lambda request: "horror", old=old, other=other))

    assert any("100% of what it would answer was never answered" in problem for problem in found.support.problems)


def test_an_implementation_that_fails_answers_nothing_and_drifted_answers_are_measured() -> None:
    failing = {**answers(old=lambda request: "drama", other=other), "new": dict.fromkeys(map(str, range(30)))}

    found = evaluate(log(400), "new", failing)

    assert found.failed == 1_200
    assert 0.6 < found.reproduced < 0.75


@pytest.mark.parametrize(
    ("path", "part"),
    [("", '{"items":[{"id":"a"}],"x":2}'), ("x", "2"), ("items.0.id", '"a"'), ("items.1", "null"), ("y.z", "null")],
)
def test_a_part_of_an_answer_is_the_decision(path: str, part: str) -> None:
    assert part_of(b'{"x": 2, "items": [{ "id": "a"}]}', path) == part


def test_each_decision_of_an_experiment_whose_window_has_closed_counts_once() -> None:
    made = [
        decision("first", minutes=-60),
        decision("first", minutes=-60),
        decision("too late", minutes=10),
        decision("too old", minutes=-60 * 25),
        decision("elsewhere", minutes=-60, endpoint="titles"),
        decision("outside", minutes=-60, experiment=None, variant=None),
    ]

    found = taken_of(Decision.event_type.frame(made), Counter({"first": 1}), WANTED, NOW)

    hour = round(NOW.timestamp()) // 3600 - 1
    assert found == [Taken("shelf", "old", 0.5, "u1", "{}", "[]", 1.0, hour)]


def decision(name: str, minutes: int, **others: Any) -> Decision:
    return decided(name, "u1", "old", NOW + timedelta(minutes=minutes), answer="[ ]", **others)
