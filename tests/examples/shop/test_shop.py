"""The shop as its README runs it, from the client's wheel alone: what its visitors did is what the platform counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from benchmarks.prove_loop.stage import Stage
from examples.shop.live.items import BESTSELLERS, ITEMS
from examples.shop.live.visitor import Diary, visits
from storage import CountersReader
from tests.conftest import free_ports
from tests.examples.shop.live_shop import shop
from tests.plain import PLAIN

VISITS = 150


@pytest.fixture(scope="module")
def diary(fresh_python: Path, running_shop: Stage) -> Diary:
    """What the visitors did; the shop has ended since, and so told all of it, and all of it is learned."""
    with shop(fresh_python, running_shop, running_shop.settings.service_url) as address:
        diary = asyncio.run(visits(address, VISITS))
    until = time.monotonic() + 30
    while time.monotonic() < until:  # the decision log is written in the background
        running_shop.meter.wait_until_level(30.0)
        counts = httpx.get(f"{running_shop.settings.service_url}/v1/decisions", timeout=30, verify=PLAIN).json()
        if not counts["queued"] and running_shop.meter.wait_until_level(30.0).events == 0:
            break
    return diary


def counted(running: Stage, name: str, *keys: str) -> list[dict[str, int]]:
    """Rows of counters, read as the service reads them."""

    async def read() -> list[dict[str, int]]:
        async with running.platform.catalogue() as catalogue:
            await catalogue.refresh()
            return await catalogue.reader(CountersReader, name).get_many(keys)

    return asyncio.run(read())


def test_the_visitors_saw_opened_and_bought(diary: Diary) -> None:
    assert diary.exposures > VISITS
    assert all(diary.decisions[variant] > 20 for variant in ("most_opened", "goes_together"))
    assert all(diary.bought_from[variant] > 0 for variant in ("most_opened", "goes_together"))


def test_every_exposure_is_counted_once(diary: Diary, running_shop: Stage) -> None:
    rows = counted(running_shop, "shop_shown", *ITEMS)
    assert {item: row.get("shown", 0) for item, row in zip(ITEMS, rows, strict=True)} == {
        item: diary.seen[item] for item in ITEMS
    }


def test_every_click_is_one_event_on_its_topic(diary: Diary, running_shop: Stage) -> None:
    ends = running_shop.platform.topics.ends(["shop_clicks", "shop_exposures", "shop_purchases"])
    events = {
        topic: sum(high - low for (name, _), (low, high) in ends.items() if name == topic)
        for topic in ("shop_clicks", "shop_exposures", "shop_purchases")
    }
    assert events == {
        "shop_clicks": diary.opened.total(),
        "shop_exposures": diary.exposures,
        "shop_purchases": diary.bought,
    }


def test_every_click_and_every_purchase_from_a_strip_is_its_variants_reward(diary: Diary, running_shop: Stage) -> None:
    [clicks] = counted(running_shop, "experiment_rewards_click", "strip")
    [purchases] = counted(running_shop, "experiment_rewards_purchase", "strip")
    assert clicks == dict(diary.opened_from)
    assert purchases == dict(diary.bought_from)


def test_the_experiment_shows_what_the_visitors_did(diary: Diary, running_shop: Stage) -> None:
    until, found = time.monotonic() + 15, dict[str, tuple[int, int]]()
    wanted = {
        variant: (diary.decisions[variant], diary.bought_from[variant]) for variant in ("most_opened", "goes_together")
    }
    while time.monotonic() < until and found != wanted:  # the service samples its figures
        rows = httpx.get(f"{running_shop.settings.service_url}/v1/experiments", timeout=30, verify=PLAIN).json()[
            "variants"
        ]
        found = {row["variant"]: (row["decisions"], row["rewards"]) for row in rows}
        time.sleep(0.1)
    assert found == wanted


def test_a_purchase_is_counted_in_the_group_of_the_visitor_who_made_it(diary: Diary, running_shop: Stage) -> None:
    decided, units = counted(running_shop, "experiment_measures", "strip.decisions", "strip.units")
    [purchases] = counted(running_shop, "experiment_rewards_purchase_groups", "strip")
    assert by_variant(decided) == +diary.decisions
    assert by_variant(purchases) == +diary.bought_from
    assert purchases.keys() <= decided.keys()  # an id that lost its group would be counted elsewhere
    assert sum(units.values()) <= VISITS


def by_variant(fields: dict[str, int]) -> Counter[str]:
    """The sums of `variant.17`, and of all other groups, by variant."""
    found = Counter[str]()
    for field, count in fields.items():
        found[field.partition(".")[0]] += count
    return found


def test_while_the_models_service_is_away_the_shop_sells_on(fresh_python: Path, running_shop: Stage) -> None:
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    with shop(fresh_python, running_shop, nowhere, "0.05") as address:
        page = httpx.get(address, timeout=30, verify=PLAIN).raise_for_status().text
    assert "Our bestsellers" in page
    assert f'data-items="{" ".join(BESTSELLERS)}"' in page
