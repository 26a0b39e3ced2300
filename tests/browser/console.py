"""What a reader does on every page of the console."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def opened(page: Page, base: str, place: str) -> Page:
    """A page of the console, such as `storages?ask=create`, once it follows what happens."""
    page.goto(f"{base}/console/{place}")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def asked(page: Page, link: str, dialog: str | None = None) -> Locator:
    """The dialog that a link opens; its name is the link's unless another is given."""
    page.get_by_role("link", name=link, exact=True).click()
    found = page.get_by_role("dialog", name=dialog or link)
    expect(found).to_be_visible()
    return found
