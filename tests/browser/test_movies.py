"""The Movies page over the whole real stack: `movies_stack` yields the address of a service with everything running."""

from __future__ import annotations

import re
import time

import httpx
from playwright.sync_api import Locator, Page, expect


def opened(page: Page, base: str, viewer: str | None = None) -> Page:
    page.goto(f"{base}/console/movies" + (f"?viewer={viewer}" if viewer else ""))
    expect(page.locator("[data-list=popular_now] .films button").first).to_be_visible()
    return page


def films(page: Page, name: str) -> Locator:
    return page.locator(f"[data-list='{name}'] .films button")


def clicks(page: Page) -> Locator:
    return page.locator("#clicks tr:not(:has([colspan]))")


def test_both_lists_have_titles_of_the_data_set(page: Page, movies_stack: str) -> None:
    opened(page, movies_stack)

    for name in ("because_you_watched", "popular_now"):
        expect(films(page, name)).to_have_count(8)
        assert not any(re.match(r"\d+\s*Film \d+", text) for text in films(page, name).all_inner_texts())


def test_a_click_changes_the_next_answer_within_a_second_and_shows_how_long_it_took(
    page: Page, movies_stack: str
) -> None:
    opened(page, movies_stack)
    before = films(page, "because_you_watched").all_inner_texts()
    title = films(page, "popular_now").first.locator("b").inner_text()
    film = films(page, "popular_now").filter(has_text=title).first

    began = time.monotonic()
    film.click()
    expect(clicks(page)).to_have_count(1)
    waited = time.monotonic() - began

    took = float(page.locator("#took").get_attribute("data-ms") or "nan")
    assert took < 1000
    assert waited < 2
    assert took / 1000 <= waited
    assert films(page, "because_you_watched").all_inner_texts() != before
    expect(clicks(page).first).to_contain_text(title)
    expect(page.locator("[data-list=popular_now]")).not_to_contain_text(title)


def test_a_new_viewer_starts_with_nothing_and_gets_a_list_from_the_first_click(page: Page, movies_stack: str) -> None:
    opened(page, movies_stack)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("[data-list=because_you_watched]")).to_contain_text("Too early to tell")
    title = films(page, "popular_now").first.locator("b").inner_text()

    films(page, "popular_now").filter(has_text=title).first.click()

    expect(page.locator("[data-list=because_you_watched] header")).to_contain_text(f"from {title}")
    expect(page.locator("[data-list=because_you_watched]")).not_to_contain_text("Too early to tell")


def test_the_click_can_be_followed_through_the_flow(page: Page, movies_stack: str) -> None:
    opened(page, movies_stack)
    films(page, "popular_now").first.click()

    clicks(page).first.get_by_role("link").click()

    trace = page.locator(".trace")
    expect(trace).to_contain_text("In Kafka")
    expect(trace).to_contain_text("co_watched is past it")


def test_a_click_on_a_film_of_the_experiment_counts_as_its_reward(page: Page, movies_stack: str) -> None:
    opened(page, movies_stack)
    variant = page.locator("[data-list=''] code").inner_text()
    page.goto(f"{movies_stack}/console/experiments")
    row = page.locator("tbody tr", has=page.get_by_text(variant, exact=True)).first
    expect(row).to_be_visible()
    before = int(row.locator("[data-label=Rewards]").inner_text().replace(",", ""))
    opened(page, movies_stack)

    films(page, "").first.click()
    expect(clicks(page)).to_have_count(1)

    page.goto(f"{movies_stack}/console/experiments")
    expect(row.locator("[data-label=Rewards]")).not_to_have_text(f"{before:,}", timeout=15_000)


def test_what_the_flow_page_shows_is_what_kafka_and_the_service_say(page: Page, movies_stack: str) -> None:
    page.goto(f"{movies_stack}/console/flow")
    page.get_by_text("Show as table").click()
    row = page.locator("#table tr", has=page.get_by_text("recommend", exact=True)).first
    expect(row).to_be_visible()
    for _ in range(40):
        httpx.post(f"{movies_stack}/v1/recommend", json={"user": "196"}).raise_for_status()

    expect(row.locator("td").nth(1)).not_to_have_text("0/s")
    expect(page.locator("[data-live=rail] [aria-current=page]")).to_have_text("Flow")
