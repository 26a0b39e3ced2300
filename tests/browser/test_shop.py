"""The shop in a real Chromium: a strip that is seen is an exposure, its link is a click, buying is the reward."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.prove_loop.stage import Stage
from millrace.product import Product
from tests.examples.shop.live_shop import shop


@pytest.fixture(scope="module")
def address(fresh_python: Path, running_shop: Stage) -> Iterator[str]:
    """The shop, when something is learned to fill its strip."""
    product = Product.load(running_shop.product.folder)  # another test may have loaded another product of this name
    for event in product.module("dataset").events():
        running_shop.platform.producer.emit(event)
    running_shop.platform.producer.flush()
    with ThreadPoolExecutor(1) as outside:  # this thread has a loop of its own
        assert outside.submit(running_shop.meter.wait_until_level, 60.0).result().events == 0
    with shop(fresh_python, running_shop, running_shop.settings.service_url) as address:
        yield address


def events(running: Stage) -> dict[str, int]:
    """How many events there are on each of the shop's topics."""
    found: dict[str, int] = {}
    for (topic, _), (low, high) in running.platform.topics.ends(sorted(running.product.event_types)).items():
        found[topic] = found.get(topic, 0) + high - low
    return found


def test_what_a_visitor_sees_opens_and_buys_is_told(page: Page, address: str, running_shop: Stage) -> None:
    before = events(running_shop)
    page.goto(address)
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    link = page.locator("[data-strip] a").first
    decision = page.locator("[data-strip]").get_attribute("data-decision")
    assert decision
    name = link.locator("strong").inner_text()
    link.click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    assert page.url.endswith(f"?from={decision}")
    page.get_by_role("button", name="Buy").click()
    expect(page.get_by_role("status")).to_have_text("Bought. Thank you.")

    wanted = {"shop_clicks": 1, "shop_exposures": 3, "shop_purchases": 1}
    until, more = time.monotonic() + 20, dict[str, int]()
    while more != wanted and time.monotonic() < until:
        more = {topic: count - before[topic] for topic, count in events(running_shop).items()}
        page.wait_for_timeout(50)
    assert more == wanted


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_wide_and_narrow_in_both_themes(
    browser: Browser, address: str, width: int, theme: str, tmp_path: Path
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if theme == "dark" else "light"
    )
    page, wrong = context.new_page(), list[str]()
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    page.screenshot(path=tmp_path / f"shop-{theme}-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("[data-strip] a").first.click()
    expect(page.get_by_role("button", name="Buy")).to_be_visible()
    page.screenshot(path=tmp_path / f"item-{theme}-{width}.png")
    context.close()
    assert wrong == []
