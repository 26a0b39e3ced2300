"""What implementations say they have used is logged with their answers, and with no other."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from serving import EndpointRefused, log_features
from serving.features import LONGEST, as_json
from tests.serving.shop import Recommend, Recommendations, Shop, Type, recommend


def scoring(**options: Any) -> Type:
    """`first` logs what its tags say, and fails where they say so; `second` is its fallback, and logs something too."""
    kind = recommend(**{"fallback": "second", **options})

    @kind.implementation
    async def first(request: Recommend) -> Recommendations:
        if request.tags is not None:
            log_features(clicks=request.tags)
            log_features(rate=0.5, new=True, country=None)
        if request.tags == "fail":
            raise ValueError("not today")
        return Recommendations([])

    @kind.implementation
    async def second(request: Recommend) -> Recommendations:
        log_features(clicks=-1)
        return Recommendations([])

    return kind


async def logged(kind: Type, *tags: Any) -> list[str | None]:
    """The features of the decisions of requests one after another."""
    shop = Shop(kind)
    async with shop.running(shop.service()) as client:
        for tag in tags:
            assert (await client.post("/v1/recommend", json={"user": "u1", "tags": tag})).status_code == 200
    return [decision.features for decision in shop.kafka.decisions]


async def test_features_are_logged_with_their_own_answer_alone() -> None:
    first, none, failed, last = await logged(scoring(), 3, None, "fail", None)
    assert json.loads(first or "") == {"clicks": 3, "rate": 0.5, "new": True, "country": None}
    assert (none, failed, last) == (None, None, None)


async def test_of_the_declared_share_of_answers_features_are_logged() -> None:
    assert await logged(scoring(feature_share=0.0), 1, 2) == [None, None]
    many = [as_json({"clicks": 1}, "recommend", 0.3) for _ in range(2_000)]
    assert 450 < sum(text is not None for text in many) < 750
    with pytest.raises(EndpointRefused, match="a share of 2; give one from 0 to 1"):
        scoring(feature_share=2)


async def test_features_that_cannot_be_logged_take_no_answer_away() -> None:
    assert await logged(scoring(), "x" * LONGEST, "y") == [None, '{"clicks":"y","rate":0.5,"new":true,"country":null}']


def test_numbers_of_numpy_are_numbers() -> None:
    assert as_json({"a": np.float32(0.5), "b": np.int64(3)}, "recommend") == '{"a":0.5,"b":3}'  # type: ignore[dict-item]
    assert as_json({"a": object()}, "elsewhere") is None  # type: ignore[dict-item]
