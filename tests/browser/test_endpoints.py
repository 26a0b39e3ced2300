"""The Endpoints page in a real browser: an endpoint type asked by its form, golden results, code, time to answer."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import console
from tests.browser.conftest import Serve
from tests.serving.shop import SPLIT, Shop, popular


@pytest.fixture
def shop() -> Shop:
    """An endpoint type on which an experiment runs; the ranking that one of its two implementations reads has items."""
    shop = Shop(popular(), experiments=[SPLIT])
    shop.learner()
    shop.learned(Heat=4.0, Alien=2.0)
    return shop


@pytest.fixture
def base(shop: Shop, serve: Serve) -> str:
    return serve(shop.service().app())


def opened(page: Page, base: str, query: str = "") -> Page:
    console.opened(page, base, f"endpoints{query}")
    expect(page.get_by_role("heading", name="Try it")).to_be_visible()
    return page


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def test_a_product_manager_asks_an_endpoint_type_by_its_form(page: Page, base: str, shop: Shop) -> None:
    opened(page, base)
    form = panel(page, "Try it")
    expect(form.get_by_label("user")).to_have_value("u1")  # as the golden request has it
    form.get_by_label("user").fill("u7")
    form.get_by_label("Implementation").select_option("popular_now")
    form.get_by_role("button", name="Ask").click()

    expect(form.locator("#answer")).to_contain_text("200")
    assert msgspec.json.decode(form.locator("#answer pre").first.inner_text()) == {"items": ["Heat", "Alien"]}
    expect(form.get_by_label("user")).to_have_value("u7")
    [decision] = shop.kafka.decisions
    assert (decision.unit, decision.implementation, decision.variant) == ("u7", "popular_now", None)
    expect(form.locator("#answer")).to_contain_text(decision.id)
    expect(page.get_by_role("img", name=re.compile("Histogram of the time to answer. Half within"))).to_be_visible()


def test_what_is_wrong_with_a_request_is_told_beside_it(page: Page, base: str, shop: Shop) -> None:
    opened(page, base)
    form = panel(page, "Try it")
    form.get_by_label("page").fill('{"size": 0}')
    form.get_by_role("button", name="Ask").click()
    expect(form.locator("#answer")).to_contain_text("400")
    expect(form.locator("#answer pre").first).to_contain_text("page.size")
    assert shop.kafka.decisions == []


def test_what_is_no_json_is_not_asked(page_with_failures: Page, base: str, shop: Shop) -> None:
    opened(page_with_failures, base)
    form = panel(page_with_failures, "Try it")
    form.get_by_label("page").fill("{")
    form.get_by_role("button", name="Ask").click()
    expect(form.get_by_text("page: it is not JSON")).to_be_visible()
    assert shop.kafka.decisions == []


def test_golden_requests_are_asked_and_the_code_is_shown(page: Page, base: str) -> None:
    opened(page, base)
    page.get_by_role("link", name="Ask them now").click()
    row = panel(page, "Golden requests").get_by_role("row", name=re.compile("newest"))
    expect(row).to_contain_text("1 of 1 pass")

    page.get_by_role("link", name="popular_now").click()
    expect(panel(page, "Code of popular_now").locator("pre")).to_contain_text('await popular.top("all"')


def test_it_works_without_a_script(plain: Page, base: str) -> None:
    plain.goto(f"{base}/console/endpoints?endpoint=recommend")
    plain.get_by_role("button", name="Ask").click()
    expect(plain.locator("#answer")).to_contain_text("200")


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_runs_off_the_page(page: Page, base: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, base, "?ask=golden&implementation=popular_now")
    panel(page, "Try it").get_by_role("button", name="Ask").click()
    expect(page.locator("#answer")).to_contain_text("200")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wider = "[...document.querySelectorAll('.panel')].filter((one) => one.scrollWidth > one.clientWidth).length"
    assert page.evaluate(wider) == 0
