"""The Flow page in a real browser, where versions are loaded beside what learners write."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from storage import versions
from storage.formats.blank import blank
from storage.loads.descriptor import Given
from storage.loads.load import load
from tests.browser.conftest import Serve
from tests.serving.console.stage import Stage


@pytest.fixture
def stage() -> Stage:
    """A learner that folds ratings into `popular`, and a level log."""
    stage = Stage()
    stage.running()
    versions.switch(stage.memory, "ranking", "popular", stage.learner("popular").version)
    return stage


@pytest.fixture
def base(stage: Stage, serve: Serve) -> str:
    return serve(stage.app())


def loaded(stage: Stage, folder: Path, keep: bool = False) -> None:
    """A file becomes popular@2."""
    file = folder / "popular.csv"
    file.write_text("key,member,score\nall,Heat,4\n", "utf-8")
    load(stage.memory, "ranking", "popular", file, Given(), "ada", not keep)


def column(page: Page, name: str) -> Locator:
    return page.locator(f"ol[aria-labelledby=c-{name}] a")


@pytest.mark.parametrize("keep", [False, True], ids=["switched", "kept"])
def test_a_learner_stays_in_the_picture_when_another_version_is_loaded(
    page: Page, stage: Stage, base: str, tmp_path: Path, keep: bool
) -> None:
    loaded(stage, tmp_path, keep)
    if not keep:
        versions.rollback(stage.memory, "ranking", "popular")
    page.goto(f"{base}/console/flow")

    expect(column(page, "learners").filter(has_text="popular")).to_have_count(1)
    expect(column(page, "storages").filter(has_text="popular@")).to_have_text(["popular@1memory/ranking · 0 rows"])
    expect(page.locator("tr[data-key='popular/0']")).to_contain_text("in step")
    expect(page.locator("[data-live=figures]")).to_contain_text("by 2 learners")


def test_a_loaded_version_that_is_read_stands_beside_the_one_that_is_written(
    page: Page, stage: Stage, base: str, tmp_path: Path
) -> None:
    loaded(stage, tmp_path)
    page.goto(f"{base}/console/flow")
    page.get_by_text("Show as table").click()

    expect(page.locator("tr[data-key='storages/memory/ranking/popular@2']")).to_contain_text("loaded; no learner")
    expect(page.locator("tr[data-key='storages/memory/ranking/popular@1']")).to_be_visible()
    expect(page.locator("tr[data-key='popular/0']")).to_be_visible()


def test_empty_storages_push_nothing_off_the_map_and_are_counted(page: Page, stage: Stage, base: str) -> None:
    for number in range(30):
        versions.create(stage.memory, blank("memory", "ranking", f"a{number:02}", {}), "ada")
    page.goto(f"{base}/console/flow")

    expect(column(page, "storages")).to_have_count(2)
    expect(column(page, "learners")).to_have_count(2)
    expect(page.locator("[data-live=graph]")).to_contain_text("30 storages that no learner writes")
    page.get_by_text("Show as table").click()
    expect(page.locator("tr[data-key^='storages/memory/ranking/a']")).to_have_count(30)
