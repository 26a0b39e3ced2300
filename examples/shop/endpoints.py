"""What the shop asks: items for its strip, in two implementations that are tried against each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

import millrace as mr

from .learners import Opened


class Recommend(msgspec.Struct, frozen=True):
    """Asks for items that a visitor has not opened; `item` is the one whose page they are on, if they are on one."""

    visitor: str
    item: str | None = None
    size: Annotated[int, msgspec.Meta(ge=1, le=50)] = 4


class Recommendations(msgspec.Struct, frozen=True):
    """Items, best first."""

    items: list[str]


def short_and_without_repeats(answer: Recommendations) -> bool:
    """What every answer must be, also over storages that are still empty."""
    return len(answer.items) <= 4 and len({*answer.items}) == len(answer.items)


recommend = mr.EndpointType(
    "shop_recommend",
    Recommend,
    Recommendations,
    unit="visitor",
    deadline=timedelta(milliseconds=500),
    golden=[
        mr.Golden(Recommend("nobody yet"), short_and_without_repeats),
        mr.Golden(Recommend("v1", item="tent"), short_and_without_repeats),
    ],
)


@recommend.implementation
async def most_opened(
    request: Recommend, shop_popular: mr.RankingReader, shop_opened: mr.RecordsReader[Opened]
) -> Recommendations:
    """What most visitors open at present."""
    return Recommendations(await _popular(request, await _known(request, shop_opened), shop_popular))


@recommend.implementation
async def goes_together(
    request: Recommend,
    shop_together: mr.RankingReader,
    shop_popular: mr.RankingReader,
    shop_opened: mr.RecordsReader[Opened],
) -> Recommendations:
    """What is opened together with the item that is looked at, or was looked at last; then what is popular."""
    known = await _known(request, shop_opened)
    start = request.item or (known[-1] if known else None)
    near = [item for item, _ in await shop_together.top(start, 50)] if start else []
    found = [item for item in near if item not in known][: request.size]
    more = await _popular(request, [*known, *found], shop_popular)
    return Recommendations([*found, *more[: request.size - len(found)]])


async def _known(request: Recommend, shop_opened: mr.RecordsReader[Opened]) -> list[str]:
    """What the visitor has opened, the newest last, with the item that they look at."""
    opened = await shop_opened.get(request.visitor)
    return [*(opened.items if opened else []), *([request.item] if request.item else [])]


async def _popular(request: Recommend, hidden: list[str], shop_popular: mr.RankingReader) -> list[str]:
    top = await shop_popular.top("all", request.size + len(hidden))
    return [item for item, _ in top if item not in hidden][: request.size]
