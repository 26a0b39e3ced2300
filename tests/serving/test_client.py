"""What a live service does: ask, get a typed answer with its provenance, reward the decision."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from serving import Answer, AnswerRefused, Client
from tests.serving.shop import NOON, SPLIT, Goal, Page, Recommend, Recommendations, Shop, Type, popular


@asynccontextmanager
async def asking(shop: Shop) -> AsyncIterator[tuple[Client, Type]]:
    async with shop.running(shop.service(goals=[Goal()])) as http:
        async with Client("http://shop/", http=http) as client:
            yield client, shop.types[0]


@pytest.fixture
def shop() -> Shop:
    shop = Shop(popular(), experiments=[SPLIT])
    shop.learner()
    shop.learned(a=2.0, b=1.0)
    return shop


async def test_an_answer_has_its_value_its_decision_and_where_it_comes_from(shop: Shop) -> None:
    async with asking(shop) as (client, recommend):
        answer: Answer[Recommendations] = await client.ask(recommend, Recommend("u1", Page(size=1)))
    assert answer.value == Recommendations(["a"])
    assert answer.implementation.startswith("popular_now@")
    assert (answer.variant, answer.as_of, answer.fallback) == ("popular_now", NOON, None)
    assert answer.decision is not None
    assert answer.decision.endswith(".first.popular_now")


async def test_one_implementation_may_be_asked_by_name(shop: Shop) -> None:
    async with asking(shop) as (client, recommend):
        answer = await client.ask(recommend, Recommend("u1"), implementation="newest")
    assert (answer.value, answer.variant, answer.as_of) == (Recommendations(["new"]), None, None)


async def test_a_refusal_carries_the_services_problem(shop: Shop) -> None:
    async with asking(shop) as (client, recommend):
        with pytest.raises(AnswerRefused, match=r"page\.size") as caught:
            await client.ask(recommend, Recommend("u1", Page(size=0)))
    assert (caught.value.status, caught.value.problem["field"]) == (400, "page.size")


async def test_a_reward_is_an_event_that_carries_the_decision(shop: Shop) -> None:
    at = datetime(2026, 11, 24, 12, 5, tzinfo=UTC)
    async with asking(shop) as (client, recommend):
        answer = await client.ask(recommend, Recommend("u1"))
        await client.reward(answer.decision, goal="click", user="u1", item="a", at=at)
    assert shop.kafka.delivered == [("clicks", {"user": "u1", "item": "a", "at": at, "decision": answer.decision})]


async def test_a_reward_for_a_goal_that_nobody_declared_is_refused(shop: Shop) -> None:
    async with asking(shop) as (client, _):
        with pytest.raises(AnswerRefused, match="no goal 'purchase'; known: click"):
            await client.reward("x", goal="purchase")


async def test_a_reward_that_does_not_fit_its_topic_is_refused(shop: Shop) -> None:
    async with asking(shop) as (client, _):
        with pytest.raises(AnswerRefused, match="Field"):
            await client.reward("x", goal="click", user="u1")


async def test_a_reward_of_a_local_default_is_an_event_that_rewards_nobody(shop: Shop) -> None:
    async with asking(shop) as (client, _):
        await client.reward(None, goal="click", user="u1", item="a", at=NOON)
    assert shop.kafka.delivered == [("clicks", {"user": "u1", "item": "a", "at": NOON, "decision": None})]
