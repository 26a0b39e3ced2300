"""What a product tells of its learners, so that a change of a schema can be said to break them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from learners import stream
from millrace.product import Product
from millrace.reading import doubled, readers_of
from millrace.settings import Settings
from schemas.graph import Graph
from storage import Records
from tests.learners.samples import Rating
from tests.learners.test_derived import LastFans, Line, Total
from tests.learners.test_emit import TYPES, Count, Fans, Likes


def told(*learners: Any) -> Graph:
    product = Product("shop", Path(), TYPES, learners, ())
    return Graph(tuple(readers_of(product, Settings())))


@pytest.mark.parametrize("learner", [LastFans, Line, Total, Likes])
def test_who_reads_a_derived_topic_is_broken_by_a_change_of_what_it_is_derived_from(learner: type[Any]) -> None:
    graph = told(learner)
    schema = Rating.event_type.schema
    without = {**schema, "fields": [field for field in schema["fields"] if field["name"] != "item"]}
    assert [item.field for item in graph.breaks("ratings", without)] == ["item"]
    assert graph.breaks("ratings", schema) == []


def test_who_reads_what_is_emitted_by_another_key_hangs_on_who_emits_it() -> None:
    by_user = type("ByUser", (Fans,), {"name": "by_user", "liked": stream("liked", key="user")})
    graph = told(Likes, by_user)
    [likes] = graph.readers_of("ratings")
    assert graph.affected(likes).learners == ("by_user@1 of shop",)


def test_a_renamed_learner_that_emits_to_the_same_topic_is_warned_of() -> None:
    def of(*learners: Any) -> list[Any]:
        return readers_of(Product("shop", Path(), TYPES, learners, ()), Settings())

    renamed = type("Likes2", (Likes,), {"name": "big_likes", "counts": Records("big_likes", Count)})
    [told] = doubled(of(renamed), of(Likes))
    assert told.startswith("big_likes@1 emits to liked, to which likes@1 has already emitted")
    for kept in ([Likes], [Likes, renamed]):
        assert doubled(of(*kept), of(Likes)) == []
    assert doubled(of(renamed), []) == []
