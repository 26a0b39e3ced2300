"""The Backtests page in a real browser, over results that trials have kept: the best first, and how each went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from millrace.backtest.candidate import Candidate, Trial
from millrace.backtest.events import Extent
from millrace.backtest.results import Results
from millrace.backtest.trials import Kept
from serving import Watched
from tests.browser.conftest import Serve
from tests.browser.console import opened
from tests.serving.shop import Shop

RATES = (0.05, 0.1, 0.5)


def candidate(rate: float) -> Candidate:
    curve = [(at, round(0.4 + rate + 0.3 * exp(-at / 4_000), 4)) for at in range(2_000, 20_001, 500)]
    figures = {"log loss": curve[-1][1], "AUC": 0.7 - rate / 4}
    return Candidate("like_rate", {"RATE": rate}, "log loss", False, figures, curve, 20_000, 25_000, 0.5)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    trials = [Trial(tmp_path / "films", "archive", Extent(), "like_rate", {"RATE": rate}) for rate in RATES]
    return Kept.of(tmp_path / "backtests", trials, ["archive"], again=False)


@pytest.fixture
def base(tmp_path: Path, serve: Serve) -> str:
    return serve(Shop().service(watched=Watched(backtests=Results(tmp_path / "backtests"))).app())


def keep(kept: Kept, rates: Sequence[float]) -> None:
    for number, rate in enumerate(RATES):
        if rate in rates:
            kept.keep(number, [candidate(rate)])


def test_without_a_result_the_page_says_how_to_get_one(page: Page, base: str) -> None:
    opened(page, base, "backtests")

    expect(page.get_by_text("No backtest was run here")).to_be_visible()
    expect(page.get_by_text("millrace backtest PRODUCT --from archive --learner NAME")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_reader_sees_the_best_candidate_its_curve_and_the_trials_that_end_meanwhile(
    page: Page, base: str, kept: Kept, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    keep(kept, RATES[1:])
    opened(page, base, "backtests")
    line = page.locator("#list tbody tr")
    expect(line).to_contain_text("2 of 3")
    line.get_by_role("link", name="like_rate RATE=0.1").click()

    chart = page.get_by_role("img", name="log loss of 2 candidates, the best first. like_rate RATE=0.1: 0.502")
    expect(chart).to_be_visible()
    expect(chart.locator("path.line")).to_have_count(2)
    expect(page.get_by_role("region", name="Candidates").get_by_role("row")).to_have_count(2 if width < 768 else 3)

    keep(kept, RATES)  # the page hears of it by itself
    expect(page.get_by_role("region", name="Candidates").locator("tbody tr").first).to_contain_text("RATE=0.05")
    expect(chart).to_have_count(0)
    expect(page.locator(".chart path.line")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")


def test_a_candidate_that_foretold_nothing_and_one_that_diverged_stand_below_the_others(
    page: Page, base: str, kept: Kept
) -> None:
    good, wild = candidate(RATES[0]), replace(candidate(RATES[1]), figures={"log loss": float("inf")})
    silent = replace(candidate(RATES[2]), figures={}, curve=[], predictions=0)
    for number, item in enumerate((wild, silent, good)):
        kept.keep(number, [item])
    opened(page, base, "backtests")
    page.locator("#list tbody").get_by_role("link").click()
    rows = page.get_by_role("region", name="Candidates").locator("tbody tr")
    expect(rows).to_contain_text(["RATE=0.05", "inf", "—"])
