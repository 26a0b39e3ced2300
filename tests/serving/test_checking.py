"""Golden requests: asked of every implementation before it is taken, with problems that say what to look at."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import pytest

from serving import EndpointType, Golden, checking, run_golden
from storage import RankingReader
from tests.serving.shop import Page, Recommend, Recommendations, Shop, popular, recommend


async def problems(kind: EndpointType[Any, Any], *learners: str) -> list[str]:
    shop = Shop()
    for name in learners:
        shop.learner(name)
    await shop.catalogue.refresh()
    return await run_golden([kind], shop.catalogue)


def answered(function: Any, *golden: Golden[Any, Any]) -> EndpointType[Any, Any]:
    kind = recommend(golden=golden or [Golden(Recommend("u1"), lambda answer: True)])
    kind.implementation(function)
    return kind


async def fine(request: Recommend) -> Recommendations:
    return Recommendations(["a"])


async def raising(request: Recommend) -> Recommendations:
    raise KeyError("u1")


async def saying(request: Recommend) -> Recommendations:
    raise ValueError("There is no u1.")


async def wrong(request: Recommend) -> Any:
    return ["a"]


async def hanging(request: Recommend) -> Recommendations:
    await asyncio.Event().wait()
    raise AssertionError


async def leaving(request: Recommend) -> Recommendations:
    sys.exit(0)


def leaving_thread(request: Recommend) -> Recommendations:
    sys.exit(0)


async def without_json(request: Recommend) -> Recommendations:
    return Recommendations([object()])  # type: ignore[list-item]


async def storing(request: Recommend, popular: int) -> Recommendations:
    raise NotImplementedError


async def test_what_answers_its_golden_requests_has_no_problem() -> None:
    assert await problems(popular(), "popular") == []


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (raising, r"golden request 1 raised test_checking.py:\d+: KeyError: 'u1'"),
        (saying, r"ValueError: There is no u1\.$"),
        (wrong, "golden request 1 was answered with list, not with Recommendations"),
        (leaving, r"golden request 1 raised test_checking.py:\d+: SystemExit: 0"),
        (leaving_thread, r"golden request 1 raised test_checking.py:\d+: SystemExit: 0"),
        (without_json, "golden request 1 was answered with what has no JSON"),
        (storing, "its parameter popular is of type int"),
    ],
)
async def test_what_does_not_answer_is_named_with_the_reason(function: Any, message: str) -> None:
    [problem] = await problems(answered(function))
    assert problem.startswith(f"recommend/{function.__name__}")
    assert problem.endswith(".")
    assert re.search(message, problem), problem


async def test_a_predicate_that_does_not_hold_is_a_problem_with_the_answer() -> None:
    kind = answered(fine, Golden(Recommend("u1"), lambda answer: True), Golden(Recommend("u1"), lambda answer: False))
    [problem] = await problems(kind)
    assert problem.startswith("recommend/fine: golden request 2 was answered with what its predicate refuses")
    assert "['a']" in problem


async def test_a_predicate_that_raises_is_a_problem() -> None:
    [problem] = await problems(answered(fine, Golden(Recommend("u1"), lambda answer: answer.nothing)))
    assert "has a predicate that raised AttributeError" in problem


async def test_a_predicate_that_ends_the_process_is_a_problem() -> None:
    [problem] = await problems(answered(fine, Golden(Recommend("u1"), lambda answer: sys.exit(0))))
    assert "has a predicate that raised SystemExit" in problem


async def test_a_golden_request_that_breaks_the_types_own_limits_is_a_problem() -> None:
    [problem] = await problems(answered(fine, Golden(Recommend("u1", Page(size=0)), lambda answer: True)))
    assert "golden request 1 is no request of recommend" in problem


async def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "PATIENCE", 0.02)
    [problem] = await problems(answered(hanging))
    assert "got no answer within" in problem


async def test_what_misses_its_storage_is_left_to_the_service() -> None:
    assert await problems(popular(golden=[Golden(Recommend("u1"), lambda answer: answer.items == ["new"])])) == []


async def test_a_type_without_implementation_is_a_problem() -> None:
    assert await problems(recommend()) == ["recommend: it has no implementation."]


async def test_every_implementation_is_asked_every_golden_request() -> None:
    asked: list[tuple[str, str]] = []
    kind = recommend(golden=[Golden(Recommend(user), lambda answer: True) for user in ("u1", "u2")])

    @kind.implementation
    async def one(request: Recommend) -> Recommendations:
        asked.append(("one", request.user))
        return Recommendations([])

    @kind.implementation
    async def two(request: Recommend, popular: RankingReader) -> Recommendations:
        asked.append(("two", request.user))
        return Recommendations([])

    assert await problems(kind, "popular") == []
    assert asked == [("one", "u1"), ("one", "u2"), ("two", "u1"), ("two", "u2")]


def test_a_syntax_error_is_said_with_its_place_once_and_its_line() -> None:
    with pytest.raises(SyntaxError) as found:
        compile("x = 1\nif True\n    y = 2\n", "shop/endpoints.py", "exec")
    assert checking.one_line(found.value, lambda file: False) == "endpoints.py:2: SyntaxError: expected ':': if True"
