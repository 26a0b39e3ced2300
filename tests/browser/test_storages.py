"""The Storages page in a real browser: created by the form, seen at once, read, rolled back, deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from storage import Descriptor, Memory, MemoryReads, StorageUnavailable
from tests.browser.conftest import Serve
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


def opened(page: Page, base: str, query: str = "") -> Page:
    page.goto(f"{base}/console/storages{query}")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def creation(page: Page) -> Locator:
    """The dialog that creates, opened by its button."""
    page.get_by_role("link", name="Create storage").click()
    dialog = page.get_by_role("dialog", name="Create storage")
    expect(dialog).to_be_visible()
    return dialog


def listed(page: Page, name: str) -> Locator:
    return page.locator("#list tbody tr", has=page.get_by_role("link", name=name))


def versions(page: Page) -> Locator:
    return page.locator("[data-live=versions] tbody tr")


def test_a_storage_is_created_by_the_form_and_seen_at_once_without_a_reload(
    page: Page, stage: Stage, base: str
) -> None:
    opened(page, base)
    page.get_by_label("Filter storages").fill("fr")
    page.evaluate("document.body.dataset.same = 'yes'")
    dialog = creation(page)
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
    dialog = creation(opened(page, base))
    dialog.get_by_label("Format").select_option("records")
    expect(dialog.get_by_label("Half-life")).to_be_hidden()
    dialog.get_by_label("Name").fill("films")
    dialog.get_by_label("Avro schema").fill('{"type": "record", "name": "Film", "fields": []}')
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.locator("#chosen")).to_contain_text("memory/records/films")


def test_what_is_wrong_is_said_in_the_dialog_and_what_was_typed_stays(page_with_failures: Page, base: str) -> None:
    page = page_with_failures
    dialog = creation(opened(page, base))
    dialog.get_by_label("Name").fill("good_name")
    dialog.get_by_label("Half-life").fill("soon")
    dialog.get_by_role("button", name="Create storage").click()

    expect(dialog.get_by_role("alert")).to_contain_text("'soon' is no span of time")
    expect(dialog.get_by_label("Half-life")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("Name")).to_have_value("good_name")
    dialog.get_by_label("Half-life").fill("6h")
    dialog.get_by_role("button", name="Create storage").click()
    expect(page.locator("#done")).to_contain_text("Created memory/ranking/good_name@1")


def test_of_two_tabs_that_create_one_name_one_gets_a_clear_error(
    page: Page, context: BrowserContext, stage: Stage, base: str
) -> None:
    other = context.new_page()
    first, second = creation(opened(page, base)), creation(opened(other, base))
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
    opened(page, base)
    stage.learner("from_elsewhere")
    expect(listed(page, "from_elsewhere@1")).to_be_visible(timeout=2000)


def test_a_row_is_read_by_its_key(page: Page, base: str) -> None:
    opened(page, base, f"?storage={POPULAR}")
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
    opened(page, base, f"?storage={POPULAR}")
    page.get_by_role("link", name="Roll back…").click()
    dialog = page.get_by_role("dialog", name="Roll back popular to @1")
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
    opened(page, base, "?storage=memory/ranking/co_watched&ask=delete")
    dialog = page.get_by_role("dialog", name="Delete co_watched")
    expect(dialog).to_contain_text("Answers of recommend (personal) use it")
    expect(dialog).to_contain_text("its learner co_watched@1 writes it")


def test_a_storage_is_deleted_when_its_name_is_typed(page_with_failures: Page, stage: Stage, base: str) -> None:
    page = opened(page_with_failures, base, f"?storage={POPULAR}")
    page.get_by_role("link", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete popular")
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
    opened(page, base, f"?storage={POPULAR}")
    link = page.get_by_role("link", name="Delete…")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Delete popular")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_have_count(0)
    expect(page).to_have_url(f"{base}/console/storages?storage={POPULAR}")
    expect(link).to_be_focused()


def test_back_leads_to_the_storage_that_was_shown_before(page: Page, base: str) -> None:
    opened(page, base, f"?storage={POPULAR}")
    listed(page, "co_watched@1").get_by_role("link").click()
    expect(page.locator("#chosen code")).to_have_text("memory/ranking/co_watched")
    page.go_back()
    expect(page.locator("#chosen code")).to_have_text(POPULAR)
    expect(listed(page, "popular@2")).to_have_class("chosen")


def test_a_page_of_another_site_creates_nothing(stage: Stage, base: str) -> None:
    form = {"do": "create", "technology": "memory", "format": "counters", "name": "stolen"}
    answer = httpx.post(f"{base}/console/storages", data=form, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "stolen" not in {item.name for item in stage.memory.storages()}


@pytest.fixture
def plain(context: BrowserContext, serve: Serve) -> Iterator[Page]:
    """A tab without JavaScript."""
    assert context.browser is not None
    without = context.browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    yield without.new_page()
    without.close()


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


class Away(MemoryReads):
    """A technology that stops to answer."""

    away = False

    async def catalogue(self) -> list[Descriptor]:
        if self.away:
            raise StorageUnavailable("nobody there")
        return await super().catalogue()


def test_a_technology_that_is_away_keeps_its_last_figures_with_their_time(page: Page, serve: Serve) -> None:
    other = Memory()
    reads = Away(other)
    stage = Stage(more={"redis": (other, reads)})
    stage.running()
    opened(page, serve(stage.app()))
    dialog = creation(page)
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


@pytest.mark.parametrize("ask", ["create", "delete", "rollback"])
def test_a_dialog_fits_a_narrow_screen(page: Page, base: str, ask: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, base, f"?storage={POPULAR}&ask={ask}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    box = dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
