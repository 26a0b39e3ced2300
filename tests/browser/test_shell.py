"""The console's frame and its pages in a real browser, over real measurements of storages in memory."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from serving.measurements import AnswerCounts, EndpointFacts, Failure, ImplementationFacts
from tests.browser.conftest import Serve
from tests.serving.console.stage import Stage

PAGES = ("flow", "streams", "storages", "endpoints", "experiments")


@pytest.fixture
def stage() -> Stage:
    """Ratings folded by one learner, level with its log."""
    stage = Stage()
    stage.running()
    return stage


@pytest.fixture
def base(stage: Stage, serve: Serve) -> str:
    return serve(stage.app())


def test_the_address_alone_leads_to_flow(page: Page, base: str) -> None:
    page.goto(base)

    expect(page).to_have_url(f"{base}/console/flow")
    expect(page.get_by_role("heading", level=1)).to_have_text("Flow")


def test_the_rail_leads_to_every_page_and_to_no_other(page: Page, base: str) -> None:
    page.goto(base)
    rail = page.get_by_role("navigation", name="Pages")

    for index in range(rail.get_by_role("link").count()):
        rail.get_by_role("link").nth(index).click()
        expect(rail.locator("[aria-current=page]")).to_have_count(1)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert rail.get_by_role("link").count() == len(PAGES)


def test_a_new_event_shows_without_a_reload(page: Page, stage: Stage, base: str) -> None:
    page.goto(base)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.evaluate("document.body.dataset.same = 'yes'")

    stage.topics.highs["ratings", 0] = 1012

    unit = page.locator("tr[data-key='co_watched/0']")
    expect(unit.locator("td").nth(3)).to_have_text("12")
    assert page.evaluate("document.body.dataset.same") == "yes"


def test_a_unit_that_falls_behind_becomes_the_first_line_of_the_page_and_shows_in_the_rail(
    page: Page, stage: Stage, base: str
) -> None:
    page.goto(base)
    expect(page.locator(".note")).to_have_count(0)

    stage.topics.highs["ratings", 0] = 5000

    expect(page.locator(".note.warn")).to_contain_text("4,000 events to fold")
    expect(page.get_by_role("navigation", name="Pages")).to_contain_text("1 behind")
    expect(page.get_by_role("status").first).to_have_text("co_watched is behind on partition 0.")
    stage.commit("co_watched", 5000)
    expect(page.locator(".note")).to_have_count(0)


def test_kafka_going_away_is_said_and_what_was_known_keeps_its_time(page: Page, stage: Stage, base: str) -> None:
    page.goto(base)
    expect(page.locator("tr[data-key='co_watched/0']")).to_contain_text("in step")

    stage.topics.away = True

    expect(page.locator(".note.bad")).to_contain_text("Kafka has not answered for")
    expect(page.locator("tr[data-key='co_watched/0']")).to_contain_text("unknown")
    expect(page.locator("tr[data-key='co_watched/0']")).to_contain_text("1,000")


def test_an_event_is_found_by_its_position_and_followed(page: Page, stage: Stage, base: str) -> None:
    stage.topics.highs["ratings", 0] = 1005
    page.goto(base)
    page.get_by_label("Event, as topic/partition/offset").fill("ratings/0/1003")
    page.get_by_role("button", name="Find event").click()

    expect(page.locator(".trace")).to_contain_text("co_watched has not yet")
    expect(page.locator(".trace")).to_contain_text("3 events first")
    stage.commit("co_watched", 1005)
    expect(page.locator(".trace")).to_contain_text("co_watched is past it")


def test_pause_holds_the_page_still_and_resume_catches_up(page: Page, stage: Stage, base: str) -> None:
    page.goto(base)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    stage.topics.highs["ratings", 0] = 1012
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    unit = page.locator("tr[data-key='co_watched/0']")

    before = unit.inner_text()
    stage.wait_for_samples(3)
    assert unit.inner_text() == before

    page.get_by_role("button", name="Resume").click()
    expect(unit.locator("td").nth(3)).to_have_text("12")


def test_a_list_keeps_its_order_while_the_pointer_is_on_it(page: Page, stage: Stage, base: str) -> None:
    stage.learner("popular")
    page.set_viewport_size({"width": 1440, "height": 320})  # the note comes and goes above what is read
    page.goto(base)
    rows = page.locator("[data-live=units] tbody tr")
    stage.topics.highs["ratings", 0] = 5000
    stage.commit("popular", 5000)
    expect(rows.first).to_have_attribute("data-key", "co_watched/0")
    expect(rows.first).to_contain_text("stands still", timeout=10_000)
    rows.first.hover()

    stage.topics.highs["ratings", 0] = 9000
    stage.commit("co_watched", 9000)
    expect(rows.nth(1)).to_contain_text("4,000")

    expect(rows.first).to_have_attribute("data-key", "co_watched/0")
    page.mouse.move(5, 5)
    expect(rows.first).to_have_attribute("data-key", "popular/0")


def test_details_that_were_opened_stay_open_when_their_numbers_change(page: Page, stage: Stage, base: str) -> None:
    page.goto(base)
    page.get_by_text("Show as table").click()
    cell = page.locator("#table tr[data-key='topics/ratings'] td").nth(2)
    expect(cell).to_have_text("0")

    stage.topics.highs["ratings", 0] = 1012

    expect(cell).to_have_text("12")
    expect(cell).to_be_visible()


def test_the_keys_search_lead_to_flow_and_list_themselves(page: Page, base: str) -> None:
    page.goto(f"{base}/console/experiments")
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page).to_have_url(f"{base}/console/flow")

    page.keyboard.press("/")
    expect(page.get_by_label("Event, as topic/partition/offset")).to_be_focused()
    page.keyboard.type("?g")
    expect(page.get_by_role("dialog")).to_be_hidden()

    page.get_by_role("heading", level=1).click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_keys_can_be_switched_off(page: Page, base: str) -> None:
    page.goto(f"{base}/console/storages")
    page.keyboard.press("?")
    page.get_by_label("Use these keys in this browser").uncheck()
    page.keyboard.press("Escape")

    page.reload()
    page.keyboard.press("/")

    expect(page.get_by_label("Filter storages")).not_to_be_focused()


def test_the_theme_follows_the_system_until_the_reader_chooses(page: Page, base: str) -> None:
    page.goto(f"{base}/console/flow")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(background)
    assert dark != light

    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(background) == light
    page.reload()
    assert page.evaluate(background) == light
    expect(page.get_by_role("button", name="Dark theme")).to_be_visible()


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways_on_a_narrow_screen(page: Page, base: str, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{base}/console/{name}")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    smallest = page.locator("main button:visible, main input:visible").evaluate_all(
        "found => Math.min(...found.map(one => one.getBoundingClientRect().height), 40)"
    )
    assert smallest >= 40


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fetches_nothing_from_elsewhere(context: BrowserContext, base: str, name: str) -> None:
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{base}/console/{name}")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.close()

    assert asked
    assert [url for url in asked if not url.startswith((base, "data:"))] == []


def test_a_service_that_stops_is_said_with_the_time_shown(page_with_failures: Page, stage: Stage, serve: Serve) -> None:
    page, base = page_with_failures, serve(stage.app())
    page.goto(f"{base}/console/flow")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    page.route("**/live*", lambda route: route.abort())
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()

    expect(page.locator(".bar")).to_contain_text("Not live")
    expect(page.locator(".bar")).to_contain_text("trying again in")
    page.unroute("**/live*")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_skipping_to_the_content_is_the_first_thing_a_keyboard_reaches(page: Page, base: str) -> None:
    page.goto(f"{base}/console/flow")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()

    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_an_implementation_that_fails_shows_live_with_its_reason_and_what_answers_instead(
    page: Page, stage: Stage, base: str
) -> None:
    made = tuple(ImplementationFacts(name, "4f1c") for name in ("personal", "newest"))
    stage.facts = [EndpointFacts("recommend@2", 0.05, made, fallback="newest")]
    stage.answers = {"recommend@2": AnswerCounts(100)}
    page.goto(f"{base}/console/endpoints?endpoint=recommend@2")
    expect(page.locator("tr[data-key=newest]")).to_contain_text("fallback")
    expect(page.get_by_role("heading", name="Failures")).to_have_count(0)

    failure = Failure("personal", "deadline-passed", "newest")
    stage.answers = {"recommend@2": AnswerCounts(200, 40, failures={failure: 40})}

    row = page.get_by_role("region", name="Failures").locator("tbody tr")
    expect(row).to_contain_text("personal")
    expect(row).to_contain_text("its deadline passed")
    expect(row.locator("td").last).to_have_text("40")
    expect(page.locator("tr[data-key='recommend@2']")).to_contain_text("failing")
    expect(page.get_by_role("navigation", name="Pages")).to_contain_text("1 failing")
