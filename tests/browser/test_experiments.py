"""The Experiments page in a real browser: started by the form, given more traffic, shipped, rolled back, stopped."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from schemas.table import MemoryTable
from serving import Experiment, Service, Shared
from serving.experiments import changes
from serving.experiments.changes import Who
from serving.experiments.definition import Definition
from serving.experiments.known import Known
from tests.browser.conftest import Serve
from tests.browser.console import asked, opened
from tests.serving.shop import Goal, Recommend, Recommendations, Shop, popular

WORDS = Experiment("words", "recommend", {"popular_now": 50, "newest": 50}, "click", 20)


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def service(table: MemoryTable) -> Service:
    """A service that serves `recommend` with two implementations; its code declares one experiment."""
    shop = Shop(popular(default=Recommendations([])), experiments=[WORDS])
    shop.learner()
    return shop.service(goals=[Goal()], shared=Shared(table))


@pytest.fixture
def base(service: Service, serve: Serve) -> str:
    return serve(service.app())


def known(service: Service, name: str) -> Definition:
    return service.experiments.known.all[name]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_experiment_is_started_by_the_form_and_seen_without_a_reload(
    page: Page, service: Service, base: str, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    opened(page, base, "experiments")
    page.evaluate("document.body.dataset.same = 'yes'")
    dialog = asked(page, "Start experiment")
    dialog.get_by_label("Name", exact=False).first.fill("tuesday")
    dialog.get_by_role("textbox", name="popular_now").fill("30")
    dialog.get_by_role("textbox", name="newest").fill("70")
    dialog.get_by_label("Compared with").select_option("newest")
    dialog.get_by_label("Traffic, per cent").fill("12.5")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_label("Why").fill("to see")
    dialog.get_by_role("button", name="Start experiment").click()

    expect(page.locator("#done")).to_contain_text("tuesday: started, newest 70, popular_now 30 on recommend, 12.5 %")
    expect(page.locator("#done")).to_be_focused()
    expect(page.locator("h1")).to_have_text("Does popular_now beat newest?")
    expect(page.locator("[data-live=standing]")).to_contain_text("Running with 12.5 % of the units")
    expect(page.locator("[data-live=history]")).to_contain_text("Ada")
    expect(page.locator("[data-live=history]")).to_contain_text("to see")
    expect(page.locator("[data-live=traffic]")).to_contain_text("12.5 %")
    expect(page.locator("[data-live=traffic]")).to_contain_text("67.5 %")
    expect(page.locator("[data-live=list] tr.chosen")).to_contain_text("tuesday")
    assert page.evaluate("document.body.dataset.same") == "yes"
    item = known(service, "tuesday")
    assert (item.ranges, item.layer, item.goal) == (((2000, 3250),), "recommend", "click")
    assert [one.name for one in service.endpoints.current["recommend"].experiments] == ["tuesday", "words"]


def test_what_is_wrong_is_said_in_the_dialog_and_what_was_typed_stays(page_with_failures: Page, base: str) -> None:
    page = page_with_failures
    dialog = asked(opened(page, base, "experiments"), "Start experiment")
    dialog.get_by_label("Name", exact=False).first.fill("tuesday")
    dialog.get_by_label("Traffic, per cent").fill("90")
    dialog.get_by_role("button", name="Start experiment").click()

    expect(dialog.get_by_role("alert")).to_contain_text(
        "tuesday wants 90 % of the layer recommend, and words leaves 80 %"
    )
    expect(dialog.get_by_label("Traffic, per cent")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("Name", exact=False).first).to_have_value("tuesday")
    dialog.get_by_label("Traffic, per cent").fill("80")
    dialog.get_by_role("button", name="Start experiment").click()
    expect(page.locator("#done")).to_contain_text("tuesday: started")


def test_a_split_that_follows_the_rewards_is_asked_for_with_its_period(
    page_with_failures: Page, service: Service, base: str
) -> None:
    page = page_with_failures
    dialog = asked(opened(page, base, "experiments"), "Start experiment")
    expect(dialog.get_by_label("Anew every")).to_be_hidden()
    dialog.get_by_label("Name", exact=False).first.fill("bandit")
    dialog.get_by_label("Traffic, per cent").fill("10")
    dialog.locator("[name=allocation]").select_option("follows the rewards")
    dialog.get_by_label("Anew every").fill("5s")
    dialog.get_by_role("button", name="Start experiment").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The period of bandit is a minute to thirty days")
    dialog.get_by_label("Anew every").fill("6h")
    dialog.get_by_role("button", name="Start experiment").click()

    expect(page.locator("[data-live=standing]")).to_contain_text(
        "popular_now 50 %, newest 50 %, anew by rewards every 6 h"
    )
    expect(page.locator("[data-live=standing]")).to_contain_text("The lift weighs decisions by their period's split")
    item = known(service, "bandit")
    assert (item.period_s, [split.ends for split in item.splits]) == (21_600, [(5000, 10_000)])


def test_it_gets_more_traffic_is_shipped_and_rolled_back_each_with_what_will_happen(
    page: Page, service: Service, base: str
) -> None:
    opened(page, base, "experiments")
    dialog = asked(page, "Change traffic…", "Change the traffic of words")
    expect(dialog).to_contain_text("Other experiments leave 100 % of the layer recommend.")
    dialog.get_by_label("Traffic, per cent").fill("60")
    dialog.get_by_role("button", name="Change traffic").click()
    expect(page.locator("#done")).to_contain_text("words: from 20 % to 60 %")
    expect(page.locator("[data-live=standing]")).to_contain_text("Running with 60 % of the units")
    expect(page.locator(".note.warn")).to_contain_text("ramp 20 % in the code and 60 % here")

    dialog = asked(page, "Ship…", "Ship a variant of words")
    expect(dialog).to_contain_text("answers for every unit of recommend that is in no other experiment")
    expect(dialog).to_contain_text("To undo it: roll it back")
    dialog.get_by_label("Variant").select_option("newest")
    dialog.get_by_role("button", name="Ship").click()
    expect(page.locator("[data-live=standing]")).to_contain_text("Ended: newest answers for everybody")
    assert service.endpoints.current["recommend"].ordinary == "newest"

    asked(page, "Roll back…", "Roll back words").get_by_role("button", name="Roll back").click()
    expect(page.locator("#done")).to_contain_text("its first implementation answers for everybody on recommend again")
    assert service.endpoints.current["recommend"].ordinary == "popular_now"


def test_it_is_stopped_only_after_a_question_and_goes_on(page: Page, service: Service, base: str) -> None:
    opened(page, base, "experiments")
    dialog = asked(page, "Stop…", "Stop words")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_have_count(0)
    assert known(service, "words").running

    dialog = asked(page, "Stop…", "Stop words")
    expect(dialog).to_contain_text("20 % of the units get another answer than now")
    dialog.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-live=standing]")).to_contain_text("Stopped")
    dialog = asked(page, "Start…", "Start words")
    expect(dialog).to_contain_text("Each unit gets the variant that it had.")
    dialog.get_by_role("button", name="Start").click()
    expect(page.locator("[data-live=standing]")).to_contain_text("Running with 20 % of the units")


def test_a_shadow_is_started_by_its_form_and_compared_as_requests_come(page: Page, service: Service, base: str) -> None:
    opened(page, base, "experiments")
    dialog = asked(page, "Shadow an implementation")
    dialog.get_by_label("Name", exact=True).fill("try_newest")
    dialog.get_by_label("Implementation").select_option("recommend/newest")
    dialog.get_by_label("per cent").fill("100")
    dialog.get_by_role("button", name="Start shadow").click()

    expect(page.locator("h1")).to_have_text("What would newest answer?")
    expect(page.locator("[data-live=standing]")).to_contain_text("In the shadow, with copies for 100 % of the units")
    expect(page.locator("[data-live=compared]")).to_contain_text("Nothing was copied yet.")
    with httpx.Client(timeout=30) as client:
        answers = [client.post(f"{base}/v1/recommend", json={"user": f"u{number}"}) for number in range(20)]
    assert {answer.headers["millrace-implementation"].partition("@")[0] for answer in answers} == {
        *("popular_now", "newest")
    }
    expect(page.locator("[data-live=compared]")).to_contain_text("copies")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 844})
    page.get_by_role("link", name="Stop…").click()
    page.get_by_role("dialog", name="Stop try_newest").get_by_role("button", name="Stop").click()
    expect(page.locator("[data-live=standing]")).to_contain_text("Stopped")


def test_what_somebody_else_changes_is_seen_by_itself(
    page: Page, service: Service, table: MemoryTable, base: str
) -> None:
    opened(page, base, "experiments")
    code = service.experiments.known.declared

    def stopped(rows: object) -> tuple[str, bytes]:
        item = changes.stop("words", Who("Grace"))(Known(code, {}))
        assert item is not None
        return item.name, item.to_bytes()

    table.change(stopped)
    expect(page.locator("[data-live=standing]")).to_contain_text("Stopped", timeout=15_000)
    expect(page.locator("[data-live=history]")).to_contain_text("Grace")


def test_a_form_that_is_made_up_or_sent_by_another_site_changes_nothing(service: Service, base: str) -> None:
    made_up = [
        {"do": "stop", "name": "nobody"},
        {"do": "delete", "name": "words"},
        {"do": "ramp", "name": "words", "ramp": "1e2"},
        {"do": "ship", "name": "words", "variant": "nobody"},
        {"do": "create", "name": "x", "endpoint": "recommend", "recommend/newest": "1", "ramp": "1", "goal": "click"},
        {"do": "create", "name": "a.b", "endpoint": "recommend", "recommend/newest": "1", "recommend/popular_now": "1"},
        {"do": "stop", "name": "words", "by": "a\x1b"},
        {},
    ]
    for form in made_up:
        answer = httpx.post(f"{base}/console/experiments", data=form, timeout=30)
        assert answer.status_code in (404, 422), form
        assert "Not done" in answer.text
    own = {"do": "stop", "name": "words"}
    evil = httpx.post(f"{base}/console/experiments", data=own, headers={"origin": "https://evil.example"}, timeout=30)
    assert evil.status_code == 403
    assert known(service, "words").revision == 0
    assert list(service.experiments.known.all) == ["words"]


def test_all_of_it_works_without_javascript(plain: Page, base: str) -> None:
    plain.goto(f"{base}/console/experiments")
    plain.get_by_role("link", name="Start experiment").click()
    dialog = plain.get_by_role("dialog")
    dialog.get_by_label("Name", exact=False).first.fill("plain")
    dialog.get_by_label("Traffic, per cent").fill("5")
    dialog.get_by_role("button", name="Start experiment").click()
    expect(plain.locator("#done")).to_contain_text("plain: started, popular_now 50, newest 50")
    plain.get_by_role("link", name="Stop…").click()
    plain.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(plain.locator("[data-live=standing]")).to_contain_text("Stopped")


@pytest.mark.parametrize("ask", ["", "create", "ramp", "ship", "stop"])
def test_page_and_dialogs_fit_a_narrow_screen(page: Page, base: str, ask: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, base, f"experiments?experiment=words&ask={ask}" if ask else "experiments")
    if ask:
        box = page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_experiment_between_implementations_of_long_names_fits_a_narrow_screen(page: Page, serve: Serve) -> None:
    kind = popular(default=Recommendations([]))

    @kind.implementation
    async def because_you_watched_and_liked_it_lately(request: Recommend) -> Recommendations:
        return Recommendations([])

    names = {"popular_now": 50, because_you_watched_and_liked_it_lately.__name__: 50}
    shop = Shop(kind, experiments=[Experiment("words", "recommend", names, "click", 100)])
    shop.learner()
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, serve(shop.service(goals=[Goal()], shared=Shared(MemoryTable())).app()), "experiments")

    checks = page.get_by_role("table").filter(has=page.get_by_role("columnheader", name="Check"))
    for name in names:  # the control's too, with which the other is compared
        expect(checks.get_by_role("columnheader", name=name)).to_be_visible()
    expect(checks.get_by_role("row", name="Time to answer").get_by_role("cell").nth(1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
