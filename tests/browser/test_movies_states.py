"""The Movies page where a healthy stack would not lead it: nothing known, nothing learned, nobody there."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Serve
from tests.browser.demo_service import DemoService
from tests.serving.console.stage import Brought, Stage

FOLDER = Path(__file__).parents[2] / "examples" / "movies" / "page"


def opened(page: Page, serve: Serve, service: DemoService, query: str = "") -> Page:
    stage = Stage([Brought("movies", "Movies", FOLDER / "movies.html", FOLDER / "movies.js")])
    page.goto(serve(stage.app(*service.routes())) + "/console/movies" + query)
    return page


def test_a_click_posts_one_liked_rating_with_the_decision_that_showed_the_film(page: Page, serve: Serve) -> None:
    service = DemoService()
    opened(page, serve, service)

    page.locator("[data-list=''] .films button").first.click()
    expect(page.locator("#clicks tr")).to_contain_text("ratings/3/41")

    (event,) = service.taken
    assert {key: event[key] for key in ("user", "item", "stars", "decision")} == {
        "user": "196",
        "item": "0",
        "stars": 5,
        "decision": "d1.-.-",
    }


def test_the_parts_of_a_click_add_up_to_what_it_took(page: Page, serve: Serve) -> None:
    opened(page, serve, DemoService(slow=0.05))

    page.locator("[data-list=popular_now] .films button").nth(2).click()
    expect(page.locator("#clicks tr .num, #clicks td.num")).to_have_count(1)

    took = float(page.locator("#took").get_attribute("data-ms") or "nan")
    parts = [
        page.locator("#meter i").nth(part).evaluate("bar => Number(bar.style.getPropertyValue('--part'))")
        for part in range(3)
    ]
    assert parts[0] >= 50
    assert abs(sum(parts) - took) < 1
    expect(page.locator("#course svg")).to_have_attribute("role", "img")


def test_a_viewer_whom_nobody_knows_is_told_that_it_is_too_early(page: Page, serve: Serve) -> None:
    opened(page, serve, DemoService())
    page.get_by_role("button", name="Start over").click()

    expect(page.locator("[data-list=because_you_watched]")).to_contain_text("Too early to tell")
    assert "viewer=" not in page.url


def test_a_viewer_named_in_the_address_is_chosen(page: Page, serve: Serve) -> None:
    opened(page, serve, DemoService(), "?viewer=u7")

    expect(page.get_by_role("radio", name="Viewer u7")).to_be_checked()
    expect(page.get_by_role("heading", name="For viewer u7")).to_be_visible()


def test_a_click_that_is_not_learned_says_how_long_it_has_waited(page_with_failures: Page, serve: Serve) -> None:
    page = opened(page_with_failures, serve, DemoService(learns=False))

    page.locator("[data-list=popular_now] .films button").first.click()

    expect(page.locator("#last")).to_contain_text("not in an answer yet")
    expect(page.locator("#took")).to_contain_text("no click yet")


def test_a_refused_request_is_shown_with_its_reason_and_the_lists_stay(page_with_failures: Page, serve: Serve) -> None:
    page, service = page_with_failures, DemoService()
    opened(page, serve, service)
    expect(page.locator("[data-list=popular_now] .films button")).to_have_count(8)
    service.away = True

    page.locator("[data-list=popular_now] .films button").first.click()

    expect(page.locator("#wrong")).to_contain_text("refused with 503: No storage answers.")
    expect(page.locator("[data-list=popular_now] .films button")).to_have_count(8)


def test_an_answer_by_fallback_says_so(page: Page, serve: Serve) -> None:
    opened(page, serve, DemoService(fallback="last good answer"))

    expect(page.locator("[data-list=popular_now] header")).to_contain_text("by fallback: last good answer")


def test_a_title_is_shown_as_text_and_never_as_markup(page: Page, serve: Serve) -> None:
    opened(page, serve, DemoService())

    expect(page.locator("[data-list=popular_now] .films b").first).to_have_text("<b>Film</b> 0")
