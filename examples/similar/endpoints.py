"""What is similar to an item, by the vectors that the job `item_vectors` has loaded last."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

import millrace as mr


class Similar(msgspec.Struct, frozen=True):
    """Asks for items that the same users like."""

    item: str
    size: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5


class Near(msgspec.Struct, frozen=True):
    """An item, and how near it is: the cosine of the two vectors."""

    id: str
    score: float


class Items(msgspec.Struct, frozen=True):
    """Items, the nearest first."""

    items: list[Near]


similar = mr.EndpointType(
    "similar",
    Similar,
    Items,
    unit="item",
    deadline=timedelta(milliseconds=200),
    golden=[mr.Golden(Similar("nothing"), lambda answer: answer.items == [])],
)


@similar.implementation
async def by_vectors(request: Similar, items: mr.VectorsReader) -> Items:
    """The nearest by vector; none where the item has no vector yet."""
    return Items([Near(key, score) for key, score in await items.nearest_to(request.item, request.size)])
