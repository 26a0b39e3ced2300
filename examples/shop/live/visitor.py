"""`python -m examples.shop.live.visitor`: made-up visitors, who do what a browser does and keep a diary."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import httpx

from .items import ITEMS, Item

OPENS, BUYS = 0.9, 0.5
"""Probabilities that a visitor opens an item of their kind, and that they buy what they opened."""
STEPS = 3
"""Pages of items that a visitor opens at most."""
TOGETHER = 8
"""Visitors at a time."""

_ANSWER = re.compile(r'<main data-decision="([^"]*)"')
_STRIP = re.compile(r'data-strip .*data-items="([^"]*)"')


@dataclass
class Diary:
    """What the visitors did.

    Attributes:
        decisions: pages by the variant that was asked for their strip, which is empty while nothing is learned.
        seen: times that each item was seen in a strip.
        opened: times that each item was opened.
        opened_from, bought_from: the same by the variant of the strip that led there; what came from no strip is not in
            it.
        bought: purchases.
        exposures: strips that were seen.
        local: strips that the shop filled itself, because the models service was away.
    """

    decisions: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)
    opened_from: Counter[str] = field(default_factory=Counter)
    bought_from: Counter[str] = field(default_factory=Counter)
    exposures: int = 0
    bought: int = 0
    local: int = 0


class Visitor:
    """One visitor, who likes one kind of items."""

    def __init__(self, http: httpx.AsyncClient, diary: Diary, name: str) -> None:
        self._http, self._diary, self._random = http, diary, Random(name)
        self._cookie = {"cookie": f"visitor={name}"}
        self._kind = self._random.choice(sorted({item.kind for item in ITEMS.values()}))
        self._opened: set[str] = set()

    async def visit(self) -> None:
        """Come to the first page, look at some items, buy some of them."""
        decision, shown = await self._looked_at("/")
        for _ in range(STEPS):
            item, source = self._choice(decision, shown)
            if item is None:
                return
            decision, shown = await self._open(item, source)

    def _choice(self, decision: str, shown: list[str]) -> tuple[Item | None, str]:
        """What to open next and the decision that led to it: of the strip if it has something, else off the shelf."""
        if self._random.random() > OPENS:
            return None, ""
        wanted = [item for item in ITEMS.values() if item.kind == self._kind and item.id not in self._opened]
        in_strip = [item for item in wanted if item.id in shown]
        if in_strip:
            return in_strip[0], decision
        return (self._random.choice(wanted), "") if wanted and self._random.random() < OPENS else (None, "")

    async def _open(self, item: Item, source: str) -> tuple[str, list[str]]:
        self._opened.add(item.id)
        self._diary.opened[item.id] += 1
        self._diary.opened_from.update(_variant(source))
        page = await self._looked_at(f"/items/{item.id}" + (f"?from={source}" if source else ""))
        if self._random.random() > BUYS:
            return page
        self._diary.bought += 1
        self._diary.bought_from.update(_variant(source))
        form = {"item": item.id, "decision": source}
        answer = await self._http.post("/buy", data=form, headers=self._cookie)
        return await self._looked_at(answer.headers["location"])

    async def _looked_at(self, address: str) -> tuple[str, list[str]]:
        """Decision and items of the page's strip, seen as a browser would tell it."""
        page = (await self._http.get(address, headers=self._cookie)).raise_for_status().text
        answer, strip = _ANSWER.search(page), _STRIP.search(page)
        decision, items = answer[1] if answer else "", strip[1].split() if strip else []
        self._diary.decisions.update(_variant(decision))
        self._diary.local += not decision
        if strip is None:
            return decision, items
        self._diary.exposures += 1
        self._diary.seen.update(items)
        told = json.dumps({"decision": decision or None, "items": items})
        (await self._http.post("/seen", content=told, headers=self._cookie)).raise_for_status()
        return decision, items


def _variant(decision: str) -> list[str]:
    """The last part of a decision's id is its variant."""
    return [decision.rpartition(".")[2]] if decision else []


async def visits(shop: str, count: int, name: str = "made-up") -> Diary:
    """Let so many visitors come, and tell what they did."""
    diary, room = Diary(), asyncio.Semaphore(TOGETHER)

    async def one(number: int, http: httpx.AsyncClient) -> None:
        async with room:
            await Visitor(http, diary, f"{name}-{number}").visit()

    async with httpx.AsyncClient(base_url=shop, timeout=30) as http:
        await asyncio.gather(*(one(number, http) for number in range(count)))
    return diary


def main() -> None:
    """Come, and print what was done as JSON."""
    options = argparse.ArgumentParser(prog="visitor", description=__doc__)
    options.add_argument("--shop", default="http://127.0.0.1:8000", help="address of the shop")
    options.add_argument("--visits", type=int, default=300)
    options.add_argument(
        "--name", default="made-up", help="the visitors' names begin with it; another one is other visitors"
    )
    chosen = options.parse_args()
    print(json.dumps(vars(asyncio.run(visits(chosen.shop, chosen.visits, chosen.name))), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
