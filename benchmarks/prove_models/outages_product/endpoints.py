"""An endpoint type that reads three rows, and has a fallback that reads none."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

import millrace as mr


class Recommend(msgspec.Struct, frozen=True):
    """Asks what goes with some films."""

    user: str
    films: Annotated[list[str], msgspec.Meta(max_length=20)]


class Recommendations(msgspec.Struct, frozen=True):
    """Films that go with them, best first."""

    items: list[str]


recommend = mr.EndpointType(
    "recommend",
    Recommend,
    Recommendations,
    unit="user",
    deadline=timedelta(milliseconds=500),
    golden=[mr.Golden(Recommend("u1", ["film-1"]), lambda answer: len(answer.items) > 0)],
    fallback="well_known",
)


@recommend.implementation
async def neighbours(request: Recommend, near: mr.RankingReader) -> Recommendations:
    """Each film's best neighbour."""
    rows = await near.top_many(request.films, 1)
    return Recommendations([id for row in rows for id, _ in row])


@recommend.implementation
async def well_known(request: Recommend) -> Recommendations:
    """Three films that everybody knows."""
    return Recommendations(["film-1", "film-2", "film-3"])
