"""The Jobs page in a real browser, over Dagster's own records: what ran, what waits, a run asked for, its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from millrace.jobs.child import JobsChild
from millrace.settings import Settings
from serving import Watched
from tests.browser.conftest import Serve
from tests.browser.console import opened
from tests.serving.shop import Shop

TOML = """
[jobs.item_vectors]
command = ["sh", "-c", "echo trained; exit $(cat $MILLRACE_JOB_PRODUCT/code)"]
after   = ["archive.clicks"]
cron    = "0 3 * * *"

[jobs.report]
command = ["true"]
after   = ["item_vectors"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "jobs.toml").write_text(TOML)
    (folder / "code").write_text("3")
    return folder


@pytest.fixture
def base(folder: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(folder.parent)
    with closing(JobsChild(folder, Settings())) as jobs:
        yield serve(Shop().service(watched=Watched(jobs=jobs)).app())


@pytest.mark.slow
def test_a_reader_sees_what_failed_and_why_and_retries_it(page: Page, base: str, folder: Path) -> None:
    page.set_default_timeout(60_000)  # Dagster is imported twice
    opened(page, base, "jobs")
    line = page.locator("#list tbody tr", has_text="item_vectors").first
    expect(line).to_contain_text("never ran")
    expect(line).to_contain_text("archive.clicks")
    expect(page.locator(".note.warn")).to_contain_text("millrace jobs schedule")
    expect(page.get_by_role("img", name="2 dependencies between 3 parts")).to_be_visible()

    line.get_by_role("link").click()
    page.get_by_role("button", name="Run item_vectors").click()
    expect(page.locator(".note.bad")).to_contain_text("item_vectors failed")  # live, without a reload

    page.get_by_role("link", name="Show item_vectors").click()
    runs = page.get_by_role("region", name="Runs")
    expect(runs).to_contain_text("sh ended with code 3; its log says more.")
    runs.get_by_role("rowheader").get_by_role("link").click()
    expect(page.get_by_role("region", name="Log of")).to_contain_text("trained")

    (folder / "code").write_text("0")
    page.get_by_role("button", name="Retry item_vectors").click()
    expect(line).to_contain_text("succeeded")
    expect(page.locator(".note.bad")).to_have_count(0)
