"""Whoever looks at the terminal hears once which implementation cannot answer, why, and what answers meanwhile."""

from __future__ import annotations

import asyncio
import logging

import pytest

from serving.lacking import LOGGER
from storage import RankingReader
from tests.serving.shop import Recommend, Recommendations, Shop, Type, popular, recommend

FEW_LOOKS = 0.8


def misspelt() -> Type:
    kind = recommend(default=Recommendations(["default"]))

    @kind.implementation
    async def mine(request: Recommend, populer: RankingReader) -> Recommendations:
        return Recommendations([item for item, _ in await populer.top("all", 1)])

    return kind


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(one.levelno, one.getMessage()) for one in caplog.records if one.name == LOGGER.name]


async def test_a_name_that_no_learner_writes_is_a_warning_that_says_what_there_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop(misspelt())
    shop.learner()
    with caplog.at_level(logging.INFO):
        async with shop.running(shop.service(learned={"ranking/popular"})):
            await asyncio.sleep(FEW_LOOKS)
    [(level, text)] = said(caplog)
    assert level == logging.WARNING
    assert text == (
        "recommend/mine cannot answer, the default answers meanwhile: "
        "ranking/populer does not exist; there are: memory/ranking/popular@1."
    )


async def test_what_a_learner_has_not_made_yet_is_said_once_and_is_no_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop(popular(fallback="newest"))
    with caplog.at_level(logging.INFO):
        async with shop.running(shop.service(learned={"ranking/popular"})):
            await asyncio.sleep(FEW_LOOKS)
    text = "recommend/popular_now waits for ranking/popular, which a learner makes; newest answers meanwhile."
    assert said(caplog) == [(logging.INFO, text)]


async def test_nothing_is_said_where_everything_is_there(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop()
    shop.learner()
    with caplog.at_level(logging.INFO):
        async with shop.running():
            pass
    assert said(caplog) == []
