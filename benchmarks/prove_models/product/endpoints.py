"""One endpoint type with two implementations that read the same three rows, so that an experiment can run on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

import millrace as mr

EACH = 4
"""So many neighbours of each film."""


class Profile(mr.Record):
    """What is known of a user."""

    features: dict[str, float]


class Recommend(msgspec.Struct, frozen=True):
    """Asks what goes with some films."""

    user: str
    films: Annotated[list[str], msgspec.Meta(max_length=20)]


class Recommendations(msgspec.Struct, frozen=True):
    """Each film's neighbours and how well they go with it, best first."""

    near: list[list[tuple[str, float]]]


recommend = mr.EndpointType(
    "recommend",
    Recommend,
    Recommendations,
    unit="user",
    deadline=timedelta(seconds=10),  # on a busy machine all wait, and none is to be refused
    golden=[mr.Golden(Recommend("u1", ["film-1"]), lambda answer: len(answer.near[0]) == EACH)],
    default=Recommendations([]),
)


@recommend.implementation
async def neighbours(request: Recommend, near: mr.RankingReader) -> Recommendations:
    """Three films are three rows, read together."""
    return Recommendations(await near.top_many(request.films, EACH))


@recommend.implementation
async def others(request: Recommend, near: mr.RankingReader) -> Recommendations:
    """The same, as the experiment's other variant."""
    return Recommendations(await near.top_many(request.films, EACH))


class Who(msgspec.Struct, frozen=True):
    """Asks what is known of a user."""

    user: str


class Features(msgspec.Struct, frozen=True):
    """All of it."""

    features: dict[str, float]


features = mr.EndpointType("features", Who, Features, unit="user", deadline=timedelta(seconds=10), default=Features({}))


@features.implementation
async def known(request: Who, profile: mr.RecordsReader[Profile]) -> Features:
    """One row."""
    row = await profile.get(request.user)
    return Features({} if row is None else row.features)
