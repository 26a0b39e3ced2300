"""The Storages page over the whole real stack: what it shows is what Redis holds, and what it creates is there."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import asked


def storages(base: str) -> dict[str, Any]:
    found = httpx.get(f"{base}/storages").raise_for_status().json()["storages"]
    return {one["storage"]: one for one in found}


def test_what_the_page_shows_is_what_the_storages_hold(page: Page, movies_stack: str) -> None:
    page.goto(f"{movies_stack}/console/storages?storage=redis/ranking/popular&key=all&members=5")
    rows = page.locator("#row tbody tr")
    expect(rows).to_have_count(5)
    real = httpx.get(f"{movies_stack}/storages/redis/ranking/popular/rows/all?size=5").json()["value"]
    assert [row.split("\t")[1] for row in rows.all_inner_texts()] == [one["member"] for one in real]

    listed = page.locator("#list tbody tr")
    expect(listed.first).to_be_visible()
    for title, one in storages(movies_stack).items():
        row = page.locator(f"#list tr[data-key='{title.partition('@')[0]}']")
        expect(row).to_contain_text(f"{one['rows']:,}", timeout=15_000)
        assert one["bytes"] > 0 or not one["rows"], title


@pytest.mark.parametrize("technology", ["redis", "relational"])
def test_a_storage_is_created_found_within_two_seconds_and_deleted(
    page: Page, movies_stack: str, technology: str
) -> None:
    page.goto(f"{movies_stack}/console/storages")
    dialog = asked(page, "Create storage")
    dialog.get_by_label("Technology").select_option(technology)
    dialog.get_by_label("Name").fill("trending_fr")
    began = time.monotonic()
    dialog.get_by_role("button", name="Create storage").click()
    row = page.locator(f"#list tr[data-key='{technology}/ranking/trending_fr']")
    expect(row).to_be_visible()
    assert time.monotonic() - began < 2
    assert storages(movies_stack)[f"{technology}/ranking/trending_fr@1"]["made_by"] == "console"

    page.get_by_role("link", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete trending_fr")
    dialog.get_by_label("to delete it").fill("trending_fr")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#done")).to_contain_text(f"Deleted {technology}/ranking/trending_fr.")
    expect(row).to_have_count(0)


def test_a_storage_that_another_program_creates_is_found_within_two_seconds(page: Page, movies_stack: str) -> None:
    page.goto(f"{movies_stack}/console/storages")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    address = f"{movies_stack}/storages/relational/counters/from_elsewhere"
    httpx.put(address).raise_for_status()
    expect(page.locator("#list")).to_contain_text("from_elsewhere@1", timeout=2000)
    httpx.delete(address).raise_for_status()
