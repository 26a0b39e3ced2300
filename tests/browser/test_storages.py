"""The Storages page in a real browser: created by the form, seen at once, read, rolled back, deleted."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from storage import Memory, MemoryReads, StorageUnavailable
from storage.formats.blank import blank
from storage.listed import Listed
from storage.versions import create
from tests.browser.conftest import Serve
from tests.browser.console import asked, opened
from tests.plain import PLAIN
from tests.serving.console.stage import Stage

POPULAR = "memory/ranking/popular"


@pytest.fixture
def stage() -> Stage:
    """One learner with two versions of a ranking, the second of which is read; another one beside it."""
    stage = Stage()
    stage.running()
    for version in (1, 2):
        stage.learner("popular", None, version=version)
        stage.commit("popular", 1000, scores={f"v{version}": 2.0, "Toy Story": 8.5, "Heat": 4.25})
        stage.memory.point([item for item in stage.memory.storages() if item.version == version])
    return stage


@pytest.fixture
def base(stage: Stage, serve: Serve) -> str:
    return serve(stage.app())


LINE_ENDS = """(link) => {
  const ends = [], place = document.createRange();
  let last = null, before = "";
  for (const part of link.childNodes) for (let at = 0; at < (part.length ?? 0); at++) {
    place.setStart(part, at); place.setEnd(part, at + 1);
    const top = place.getBoundingClientRect().top;
    if (last !== null && top > last) ends.push(before);
    [last, before] = [top, part.data[at]];
  }
  return ends;
}"""
"""The last character of each line of a link but the last line."""


def listed(page: Page, name: str) -> Locator:
    return page.locator("#list tbody tr", has=page.get_by_role("link", name=name))


def versions(page: Page) -> Locator:
    return page.locator("[data-live=versions] tbody tr")


def test_a_storage_is_created_by_the_form_and_seen_at_once_without_a_reload(
    page: Page, stage: Stage, base: str
) -> None:
    opened(page, base, "storages")
    page.get_by_label("Filter storages").fill("fr")
    page.evaluate("document.body.dataset.same = 'yes'")
    dialog = asked(page, "Create storage")
    dialog.get_by_label("Name").fill("trending_fr")
    dialog.get_by_label("Half-life").fill("6h")
    expect(dialog.locator("#command")).to_have_text(
        "millrace storages create memory/ranking/trending_fr --half-life 6h"
    )
    dialog.get_by_role("button", name="Create storage").click()

    expect(dialog).to_be_hidden()
    expect(page.locator("#done")).to_contain_text("Created memory/ranking/trending_fr@1, empty.")
    expect(page.locator("#done")).to_be_focused()
    expect(listed(page, "trending_fr@1")).to_contain_text("created, empty")
    expect(page.locator("#chosen")).to_contain_text("Half-life 6 h")
    assert page.evaluate("document.body.dataset.same") == "yes"
    expect(page.get_by_label("Filter storages")).to_have_value("fr")
    assert page.url.startswith(f"{base}/console/storages?storage=memory")
    [made] = [item for item in stage.memory.storages() if item.name == "trending_fr"]
    assert (made.options["half_life_ms"], made.made_by) == (21_600_000, "console")


def test_each_format_asks_for_its_own_options(page: Page, base: str) -> None:
    dialog = asked(opened(page, base, "storages"), "Create storage")
    dialog.get_by_label("Format").select_option("records")
    expect(dialog.get_by_label("Half-life")).to_be_hidden()
    dialog.get_by_label("Name").fill("films")
    dialog.get_by_label("Avro schema").fill('{"type": "record", "name": "Film", "fields": []}')
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.locator("#chosen")).to_contain_text("memory/records/films")


def test_what_is_wrong_is_said_in_the_dialog_and_what_was_typed_stays(page_with_failures: Page, base: str) -> None:
    page = page_with_failures
    dialog = asked(opened(page, base, "storages"), "Create storage")
    dialog.get_by_label("Name").fill("good_name")
    dialog.get_by_label("Half-life").fill("soon")
    dialog.get_by_role("button", name="Create storage").click()

    expect(dialog.get_by_role("alert")).to_contain_text("Half-life: 'soon' is no span of time")
    expect(dialog.get_by_label("Half-life")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("Name")).to_have_value("good_name")
    dialog.get_by_label("Half-life").fill("6h")
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.locator("#done")).to_contain_text("Created memory/ranking/good_name@1")


def test_of_two_tabs_that_create_one_name_one_gets_a_clear_error(
    page: Page, context: BrowserContext, stage: Stage, base: str
) -> None:
    other = context.new_page()
    first, second = (asked(opened(tab, base, "storages"), "Create storage") for tab in (page, other))
    for dialog in (first, second):
        dialog.get_by_label("Name").fill("trending")
    first.get_by_role("button", name="Create storage").click()
    expect(first).to_be_hidden()
    second.get_by_role("button", name="Create storage").click()

    expect(second.get_by_role("alert")).to_contain_text("memory/ranking/trending@1 exists already, created by console")
    expect(second.get_by_label("Name")).to_have_value("trending")
    second.get_by_role("link", name="Cancel").click()
    expect(listed(other, "trending@1")).to_be_visible()
    other.close()
    assert len([item for item in stage.memory.storages() if item.name == "trending"]) == 1


def test_a_storage_that_another_program_creates_appears_by_itself(page: Page, stage: Stage, base: str) -> None:
    opened(page, base, "storages")
    stage.learner("from_elsewhere")
    expect(listed(page, "from_elsewhere@1")).to_be_visible(timeout=2000)


def test_a_row_is_read_by_its_key(page: Page, base: str) -> None:
    opened(page, base, f"storages?storage={POPULAR}")
    rows = page.locator("#row tbody tr")
    expect(rows.first).to_contain_text("Toy Story")
    expect(rows.first).to_contain_text("8.5")
    page.get_by_label("Members").fill("2")
    page.get_by_role("button", name="Read row").click()
    expect(rows).to_have_count(2)
    page.get_by_role("combobox", name="Key").fill("nobody")
    page.get_by_role("button", name="Read row").click()
    expect(page.locator("#row")).to_contain_text("There is no row nobody")


def test_a_name_is_rolled_back_and_back_again(page: Page, stage: Stage, base: str) -> None:
    opened(page, base, f"storages?storage={POPULAR}")
    dialog = asked(page, "Roll back…", "Roll back popular to @1")
    expect(dialog).to_contain_text("To undo it, switch back to @2")
    dialog.get_by_role("button", name="Roll back").click()

    expect(page.locator("#done")).to_contain_text("popular stands for @1 now")
    expect(versions(page).filter(has_text="@1")).to_contain_text("current since")
    expect(versions(page).filter(has_text="@2")).to_contain_text("rolled back")
    expect(listed(page, "popular@1")).to_be_visible()
    expect(page.locator("#row")).to_contain_text("v1")
    page.get_by_role("link", name="Switch…").click()
    page.get_by_role("dialog", name="Switch popular to @2").get_by_role("button", name="Switch").click()
    expect(page.locator("#done")).to_contain_text("popular stands for @2 now")
    assert stage.memory.aliases()["ranking", "popular"].version == 2


def test_a_change_says_who_is_affected(page: Page, base: str) -> None:
    opened(page, base, "storages?storage=memory/ranking/co_watched&ask=delete")
    dialog = page.get_by_role("dialog", name="Delete co_watched")
    expect(dialog).to_contain_text("Answers of recommend (personal) use it")
    expect(dialog).to_contain_text("its learner co_watched@1 writes it")


def test_a_storage_is_deleted_when_its_name_is_typed(page_with_failures: Page, stage: Stage, base: str) -> None:
    page = opened(page_with_failures, base, f"storages?storage={POPULAR}")
    dialog = asked(page, "Delete…", "Delete popular")
    typed = dialog.get_by_label("to delete it")
    typed.fill("populaire")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Type popular to delete it; nothing was deleted.")

    typed.fill("popular")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_contain_text("its learner popular@")
    dialog.get_by_label("Delete it although it is in use").check()
    typed.fill("popular")
    dialog.get_by_role("button", name="Delete").click()

    expect(page.locator("#done")).to_contain_text("Deleted memory/ranking/popular.")
    expect(listed(page, "popular@")).to_have_count(0)
    assert "popular" not in {item.name for item in stage.memory.storages()}


def test_escape_closes_a_dialog_and_the_address_is_the_page_again(page: Page, base: str) -> None:
    opened(page, base, f"storages?storage={POPULAR}")
    link = page.get_by_role("link", name="Delete…")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Delete popular")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_have_count(0)
    expect(page).to_have_url(f"{base}/console/storages?storage={POPULAR}")
    expect(link).to_be_focused()


def test_back_leads_to_the_storage_that_was_shown_before(page: Page, base: str) -> None:
    opened(page, base, f"storages?storage={POPULAR}")
    listed(page, "co_watched@1").get_by_role("link").click()
    expect(page.locator("#chosen code")).to_have_text("memory/ranking/co_watched")
    page.go_back()
    expect(page.locator("#chosen code")).to_have_text(POPULAR)
    expect(listed(page, "popular@2")).to_have_class("chosen")


def test_a_page_of_another_site_creates_nothing(stage: Stage, base: str) -> None:
    form = {"do": "create", "technology": "memory", "format": "counters", "name": "stolen"}
    answer = httpx.post(f"{base}/console/storages", data=form, headers={"origin": "https://evil.example"}, verify=PLAIN)
    assert answer.status_code == 403
    assert "stolen" not in {item.name for item in stage.memory.storages()}


def test_all_of_it_works_without_javascript(plain: Page, stage: Stage, base: str) -> None:
    plain.goto(f"{base}/console/storages")
    stage.wait_for_samples(1)
    plain.goto(f"{base}/console/storages?storage={POPULAR}")
    plain.get_by_role("link", name="Create storage").click()
    dialog = plain.get_by_role("dialog")
    dialog.get_by_label("Name").fill("plain")
    dialog.get_by_label("Format").select_option("counters")
    dialog.get_by_role("button", name="Create storage").click()
    expect(plain.locator("#done")).to_contain_text("Created memory/counters/plain@1")
    plain.goto(f"{base}/console/storages?storage={POPULAR}")
    plain.get_by_role("link", name="Roll back…").click()
    plain.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(plain.locator("#done")).to_contain_text("popular stands for @1 now")


def long_list(stage: Stage) -> None:
    """More storages than a window is high."""
    for number in range(40):
        create(stage.memory, blank("memory", "counters", f"z{number:02}", {}), "ada")


@pytest.mark.parametrize("width", [1400, 390])
def test_below_a_long_list_the_details_of_what_was_chosen_come_into_sight(
    page: Page, stage: Stage, base: str, width: int
) -> None:
    long_list(stage)
    page.set_viewport_size({"width": width, "height": 844})
    opened(page, base, "storages")
    listed(page, "z39@1").get_by_role("link").click()

    expect(page.locator("#chosen code")).to_have_text("memory/counters/z39")
    expect(page.locator("#chosen")).to_be_focused()
    expect(page.get_by_role("link", name="Delete…")).to_be_in_viewport()
    page.goto(f"{base}/console/flow")
    page.goto(f"{base}/console/storages?storage=memory/counters/z07#chosen")
    expect(page.get_by_role("link", name="Delete…")).to_be_in_viewport()


def test_below_a_long_list_a_storage_that_was_created_comes_into_sight(page: Page, stage: Stage, base: str) -> None:
    long_list(stage)
    dialog = asked(opened(page, base, "storages"), "Create storage")
    dialog.get_by_label("Name").fill("trending")
    dialog.get_by_role("button", name="Create storage").click()

    expect(page.locator("#done")).to_be_in_viewport()
    expect(page.get_by_role("link", name="Delete…")).to_be_in_viewport()


def test_on_a_narrow_screen_no_word_of_a_heading_is_broken(page: Page, stage: Stage, base: str) -> None:
    create(stage.memory, blank("memory", "counters", "a_name_that_is_as_long_as_those_that_are_written", {}), "ada")
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, base, "storages")
    heights = page.locator("#list thead th:visible").evaluate_all(
        """every => every.map((one) => {
             const text = document.createRange();
             text.selectNodeContents(one);
             return text.getClientRects().length;
           })"""
    )
    assert heights == [1, 1, 1]
    assert listed(page, "a_name").get_by_role("link").evaluate(LINE_ENDS) == ["_"]


def test_a_storage_that_nobody_reads_may_be_read_by_another_service(page: Page, stage: Stage, base: str) -> None:
    title = create(stage.memory, blank("memory", "counters", "clicks", {}), "ada").title
    stage.memory.lease([title], 2**50)
    opened(page, base, "storages?storage=memory/counters/clicks")
    expect(listed(page, "clicks@1")).to_contain_text("nobody here")
    expect(page.locator("[data-live=facts]")).to_contain_text("no endpoint of this service")
    dialog = asked(page, "Delete…", "Delete clicks")
    expect(dialog).to_contain_text("No endpoint of this service reads it.")
    expect(dialog).to_contain_text("a models service reads it")


def test_what_somebody_declared_is_before_what_experiments_are_counted_in(page: Page, stage: Stage, base: str) -> None:
    stage.learner("experiment_decisions", None)
    opened(page, base, "storages")
    expect(page.locator("#list tbody tr").last).to_contain_text("experiment_decisions@1")
    expect(page.locator("#chosen")).not_to_contain_text("experiment_decisions")


def test_on_a_narrow_screen_each_row_still_says_its_technology(page: Page, base: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, base, "storages")
    expect(listed(page, "popular@2").get_by_text("memory / ranking").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_button_that_deletes_does_not_look_like_the_one_that_is_meant_most_often(page: Page, base: str) -> None:
    opened(page, base, f"storages?storage={POPULAR}&ask=delete")
    colours = page.evaluate(
        "['.button.main', 'dialog button'].map((one) => getComputedStyle(document.querySelector(one)).backgroundColor)"
    )
    assert len(set(colours)) == 2


class Late(MemoryReads):
    """A technology whose catalogue shows what was made only when it is told to."""

    late = False
    before = Listed()

    async def listed(self) -> Listed:
        if not self.late:
            self.before = await super().listed()
        return self.before


def test_a_storage_whose_technology_is_slow_to_show_it_gets_its_details_when_it_does(page: Page, serve: Serve) -> None:
    other = Memory()
    reads = Late(other)
    stage = Stage(more={"redis": (other, reads)})
    stage.running()
    opened(page, serve(stage.app()), "storages")
    reads.late = True
    dialog = asked(page, "Create storage")
    dialog.get_by_label("Technology").select_option("redis")
    dialog.get_by_label("Name").fill("trending")
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.locator("#main")).to_contain_text("This storage is not in the catalogue yet")

    reads.late = False
    expect(listed(page, "trending@1")).to_be_visible()
    expect(page.get_by_role("link", name="Delete…")).to_be_visible()
    expect(page.locator("#done")).to_contain_text("Created redis/ranking/trending@1")


class Away(MemoryReads):
    """A technology that stops to answer."""

    away = False

    async def listed(self) -> Listed:
        if self.away:
            raise StorageUnavailable("nobody there")
        return await super().listed()


def test_a_technology_that_is_away_keeps_its_last_figures_with_their_time(page: Page, serve: Serve) -> None:
    other = Memory()
    reads = Away(other)
    stage = Stage(more={"redis": (other, reads)})
    stage.running()
    opened(page, serve(stage.app()), "storages")
    dialog = asked(page, "Create storage")
    dialog.get_by_label("Technology").select_option("redis")
    expect(dialog.locator("#command")).to_contain_text("redis/ranking/NAME")
    dialog.get_by_label("Name").fill("trending")
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.locator("#done")).to_contain_text("Created redis/ranking/trending@1")

    reads.away = True
    expect(listed(page, "trending@1")).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    expect(page.locator(".notes .note.bad")).to_contain_text("Redis has not answered for")
    expect(listed(page, "co_watched@1")).not_to_contain_text("as of")
    page.get_by_role("combobox", name="Key").fill("all")
    page.get_by_role("button", name="Read row").click()
    expect(page.locator("#row")).to_contain_text("redis does not answer: nobody there")
    reads.away = False
    expect(page.locator(".notes .note")).to_have_count(0)


def test_a_new_storage_is_offered_where_a_technology_answers(page: Page, serve: Serve) -> None:
    other = Memory()
    reads = Away(other)
    reads.away = True
    stage = Stage(more={"redis": (other, reads)})
    stage.running()
    dialog = asked(opened(page, serve(stage.app()), "storages"), "Create storage")
    expect(dialog.get_by_label("Technology")).to_have_value("memory")
    expect(dialog.locator("#command")).to_contain_text("create memory/ranking/NAME")


@pytest.mark.parametrize("ask", ["create", "delete", "rollback"])
def test_a_dialog_fits_a_narrow_screen(page: Page, base: str, ask: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, base, f"storages?storage={POPULAR}&ask={ask}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    box = dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
