from dataclasses import dataclass, field

import pytest

from serving.measurements import VariantCounts
from serving.measurements.results import figures
from tests.serving.measurements.samples import T0, history, sample


@dataclass(frozen=True)
class Declared:
    name: str = "liked_more"
    endpoint: str = "recommend"
    split: dict[str, int] = field(default_factory=lambda: {"popular_now": 50, "personal": 50})
    goal: str = "liked"


def test_the_rate_is_rewards_per_decision_and_the_split_is_compared_with_the_plan() -> None:
    made = history(
        sample(0, variants={"liked_more": {"popular_now": VariantCounts(290, 20), "personal": VariantCounts(90, 19)}}),
        sample(1, variants={"liked_more": {"popular_now": VariantCounts(300, 30), "personal": VariantCounts(100, 20)}}),
    )

    found = figures(Declared(), made)

    popular, personal = found.variants
    assert (popular.decisions, popular.rewards, popular.rate, popular.share) == (300, 30, 0.1, 0.75)
    assert (personal.rate, personal.planned, personal.pace) == (0.2, 0.5, 10)
    assert personal.course == pytest.approx((19 / 90, 0.2))
    assert (found.decisions, found.counted) == (400, T0 + 1)


def test_no_decisions_are_zero_and_have_no_rate() -> None:
    made = history(sample(0, variants={"liked_more": {"personal": VariantCounts(0, 0)}}))

    found = figures(Declared(), made)

    assert [(item.decisions, item.rate, item.share) for item in found.variants] == [(0, None, None), (0, None, None)]


def test_decisions_that_nobody_counts_are_unknown_and_not_zero() -> None:
    found = figures(Declared(), history(sample(0, variants={})))

    assert found.decisions is None
    assert [item.decisions for item in found.variants] == [None, None]


def test_rewards_that_nobody_counts_are_unknown_beside_decisions_that_are_counted() -> None:
    made = history(sample(0, variants={"liked_more": {"personal": VariantCounts(7, None)}}))

    personal = figures(Declared(), made).variants[1]

    assert (personal.decisions, personal.rewards, personal.rate) == (7, None, None)
