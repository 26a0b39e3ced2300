"""The one reference to what is served: swapped whole, kept when what was saved is worse, told in the facts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serving import EndpointRefused, EndpointType, Experiment, ExperimentRefused
from serving.endpoints import Endpoints
from storage import RankingReader
from tests.serving.shop import SPLIT, Recommend, Recommendations, Shop, popular, recommend


def fixed(item: str, **options: Any) -> EndpointType[Any, Any]:
    kind = recommend(**options)

    @kind.implementation
    async def popular_now(request: Recommend) -> Recommendations:
        return Recommendations([item])

    return kind


def needing_more() -> EndpointType[Any, Any]:
    kind = recommend()

    @kind.implementation
    async def popular_now(request: Recommend, typo: RankingReader) -> Recommendations:
        return Recommendations(["typo"])

    return kind


async def asked(endpoints: Endpoints, name: str = "popular_now") -> list[str]:
    live = endpoints.current["recommend"].lives[name]
    assert live.ask is not None
    answer: Recommendations = await live.ask(Recommend("u1"))
    return answer.items


async def test_new_types_are_served_from_the_next_request_on() -> None:
    endpoints = Endpoints([fixed("old")], [], Shop().catalogue)
    assert endpoints.take([fixed("new")]) == ()
    assert await asked(endpoints) == ["new"]


async def test_a_request_under_way_ends_on_the_code_that_it_began_with() -> None:
    go = asyncio.Event()
    kind = recommend()

    @kind.implementation
    async def popular_now(request: Recommend) -> Recommendations:
        await go.wait()
        return Recommendations(["old"])

    shop = Shop(kind)
    service = shop.service()
    async with shop.running(service) as client:
        under_way = asyncio.create_task(client.post("/v1/recommend", json={"user": "u1"}))
        await asyncio.sleep(0)
        while not service.metrics.endpoints:
            await asyncio.sleep(0)
        service.endpoints.take([fixed("new")])
        assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": ["new"]}
        go.set()
        assert (await under_way).json() == {"items": ["old"]}


async def test_refused_code_leaves_what_is_served_and_is_said_in_the_facts() -> None:
    endpoints = Endpoints([fixed("old")], [], Shop().catalogue)
    endpoints.refuse(["endpoints.py:3: SyntaxError: invalid syntax"])

    assert await asked(endpoints) == ["old"]
    assert endpoints.facts()[0].refusals == ("endpoints.py:3: SyntaxError: invalid syntax",)
    endpoints.take([fixed("new")])
    assert endpoints.facts()[0].refusals == ()


async def test_a_problem_of_one_type_is_said_with_that_type_alone() -> None:
    other = EndpointType("other", Recommend, Recommendations, unit="user")
    other.implementation(fixed("x").implementations["popular_now"].function)
    endpoints = Endpoints([fixed("old"), other], [], Shop().catalogue)
    endpoints.refuse(["other/popular_now: golden request 1 raised.", "endpoints.py does not import."])
    assert {item.name: len(item.errors) for item in endpoints.facts()} == {"recommend": 1, "other": 2}


async def test_an_implementation_that_answers_is_not_replaced_by_one_whose_storage_is_missing() -> None:
    endpoints = Endpoints([fixed("old")], [], Shop().catalogue)
    [problem] = endpoints.take([needing_more()])

    assert problem.startswith("recommend/popular_now: ranking/typo does not exist")
    assert await asked(endpoints) == ["old"]


async def test_it_is_replaced_once_that_storage_appears() -> None:
    shop = Shop()
    endpoints = Endpoints([fixed("old")], [], shop.catalogue)
    endpoints.take([needing_more()])
    shop.learner("typo")
    await shop.catalogue.refresh()
    endpoints.follow()

    assert await asked(endpoints) == ["typo"]
    assert endpoints.facts()[0].refusals == ()


async def test_a_later_save_takes_the_place_of_one_that_waits() -> None:
    shop = Shop()
    endpoints = Endpoints([fixed("old")], [], shop.catalogue)
    endpoints.take([needing_more()])
    endpoints.take([fixed("newest")])
    shop.learner("typo")
    await shop.catalogue.refresh()
    endpoints.follow()
    assert await asked(endpoints) == ["newest"]


async def test_code_refused_later_forgets_the_one_that_waits() -> None:
    shop = Shop()
    endpoints = Endpoints([fixed("old")], [], shop.catalogue)
    endpoints.take([needing_more()])
    endpoints.refuse(["endpoints.py does not import."])
    shop.learner("typo")
    await shop.catalogue.refresh()
    endpoints.follow()
    assert await asked(endpoints) == ["old"]
    assert endpoints.facts()[0].errors == ("endpoints.py does not import.",)


async def test_a_new_implementation_without_its_storage_waits_beside_those_that_answer() -> None:
    kind = fixed("old")

    @kind.implementation
    async def fresh(request: Recommend, popular: RankingReader) -> Recommendations:
        return Recommendations(["fresh"])

    shop = Shop()
    endpoints = Endpoints([fixed("old")], [], shop.catalogue)
    assert endpoints.take([kind]) == ()
    assert [item.error is None for item in endpoints.facts()[0].implementations] == [True, False]
    assert endpoints.obstacles() == {}

    shop.learner()
    await shop.catalogue.refresh()
    endpoints.follow()
    assert await asked(endpoints, "fresh") == ["fresh"]


async def test_nothing_is_swapped_while_nothing_has_changed() -> None:
    shop = Shop()
    shop.learner()
    await shop.catalogue.refresh()
    endpoints = Endpoints([popular()], [], shop.catalogue)
    before = endpoints.current
    await shop.catalogue.refresh()
    endpoints.follow()
    assert endpoints.current is before


async def test_code_that_did_not_change_keeps_the_time_it_was_loaded() -> None:
    endpoints = Endpoints([popular()], [], Shop().catalogue)
    before = [item.loaded for item in endpoints.facts()[0].implementations]
    endpoints.take([popular()])
    assert [item.loaded for item in endpoints.facts()[0].implementations] == before


async def test_a_save_that_takes_a_variant_from_a_running_experiment_is_refused() -> None:
    endpoints = Endpoints([popular()], [SPLIT], Shop().catalogue)
    [problem] = endpoints.take([fixed("old")])
    assert problem.startswith("Experiment first gives traffic to newest")
    assert list(endpoints.current["recommend"].lives) == ["popular_now", "newest"]


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        ([Experiment("first", "recommend", {"nobody": 1}, "click")], "gives traffic to nobody"),
        ([Experiment("first", "elsewhere", {"newest": 1}, "click")], "is on elsewhere; there is recommend"),
        (
            [SPLIT, Experiment("second", "recommend", {"newest": 1}, "click")],
            "second wants 100 % of the layer recommend, and first leaves 0 %",
        ),
    ],
)
def test_an_experiment_on_what_is_not_there_is_refused_at_the_start(
    experiments: list[Experiment], message: str
) -> None:
    with pytest.raises(ExperimentRefused, match=message):
        Endpoints([popular()], experiments, Shop().catalogue)


def test_types_that_cannot_be_served_are_refused_at_the_start() -> None:
    with pytest.raises(EndpointRefused, match="Two endpoint types are named recommend"):
        Endpoints([popular(), popular()], [], Shop().catalogue)
    with pytest.raises(EndpointRefused, match="has no implementation"):
        Endpoints([recommend()], [], Shop().catalogue)
    kind = popular()
    assert list(Endpoints([kind, kind], [], Shop().catalogue).current) == ["recommend"]


def test_readiness_asks_only_for_those_that_may_be_chosen() -> None:
    only_first = Endpoints([popular()], [], Shop().catalogue)
    assert list(only_first.obstacles()) == ["recommend"]
    newest = Experiment("first", "recommend", {"newest": 1}, "click")
    assert Endpoints([popular()], [newest], Shop().catalogue).obstacles() == {}
    assert Endpoints([popular(default=Recommendations([]))], [], Shop().catalogue).obstacles() == {}
