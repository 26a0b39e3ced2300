"""Log in, change something, log out, in a real browser whose errors fail the test: no page breaks its policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Serve
from tests.browser.console import asked
from tests.serving.access.keyed import Keyed


@pytest.fixture
def keyed(tmp_path: Path) -> Keyed:
    return Keyed(tmp_path, console="admin", shop="answer")


@pytest.fixture
def base(keyed: Keyed, serve: Serve) -> str:
    return serve(keyed.service.app())


def logged_in(page: Page, address: str, secret: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.get_by_label("Key").fill(secret)
    page.keyboard.press("Enter")


def test_a_reader_logs_in_creates_a_storage_asks_a_type_and_logs_out(page: Page, keyed: Keyed, base: str) -> None:
    logged_in(page, f"{base}/console/storages", keyed.secrets["console"])
    expect(page).to_have_url(f"{base}/console/storages")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    dialog = asked(page, "Create storage")
    dialog.get_by_label("Format").select_option("counters")
    dialog.get_by_label("Name").fill("visits")
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.get_by_text("Created memory/counters/visits@1, empty.").first).to_be_visible()
    assert [item.name for item in keyed.shop.memory.storages()] == ["visits"]

    page.goto(f"{base}/docs")
    first = page.locator("details").filter(has=page.get_by_text("POST /v1/recommend", exact=True))
    first.get_by_role("button", name="Send").click()
    expect(first.get_by_role("status")).to_contain_text("200 OK")

    page.goto(f"{base}/console/flow")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.goto(f"{base}/console/flow")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_a_key_that_is_not_for_the_console_is_told_so(page_with_failures: Page, keyed: Keyed, base: str) -> None:
    page = page_with_failures
    logged_in(page, f"{base}/console", "mk_000000000000_nobody")
    expect(page.get_by_role("alert")).to_contain_text("This key is not known here")
    page.get_by_label("Key").fill(keyed.secrets["shop"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("The key shop has not the scope admin")


def test_whose_session_is_over_is_led_to_log_in_again(page_with_failures: Page, keyed: Keyed, base: str) -> None:
    page = page_with_failures
    logged_in(page, f"{base}/console/storages", keyed.secrets["console"])
    dialog = asked(page, "Create storage")
    dialog.get_by_label("Name").fill("visits")
    keyed.revoke("console")
    expect(page.get_by_text("Not live", exact=True)).to_be_visible(timeout=30_000)
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert keyed.shop.memory.storages() == []
