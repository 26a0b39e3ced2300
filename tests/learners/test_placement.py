"""Storages are placed without a change to the learner that writes them."""

from __future__ import annotations

import pytest

from learners import Placement
from learners.errors import LearnerRefused
from storage import Counters, Ranking

FREE, BOUND = Ranking("popular"), Counters("popular", technology="search")


@pytest.mark.parametrize(
    ("product", "free", "bound"),
    [
        ({}, "redis", "search"),
        ({"default": "relational"}, "relational", "search"),
        ({"popular": "cassandra", "default": "relational"}, "cassandra", "cassandra"),
        ({"ranking/popular": "cassandra", "popular": "relational"}, "cassandra", "relational"),
    ],
)
def test_the_product_is_heard_before_the_storage_and_the_storage_before_the_platform(
    product: dict[str, str], free: str, bound: str
) -> None:
    placement = Placement("redis", product)
    assert (placement.of(FREE), placement.of(BOUND)) == (free, bound)


def test_a_place_for_a_storage_that_nobody_writes_is_refused_by_name() -> None:
    Placement("redis", {"default": "relational", "counters/popular": "redis"}).check([FREE, BOUND])
    with pytest.raises(LearnerRefused, match=r"'populer'.*popular"):
        Placement("redis", {"populer": "relational"}).check([FREE])
