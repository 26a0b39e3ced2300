"""What a changed request or answer breaks for those who ask: told by field, and silent where nothing does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, defstruct
from pydantic import BaseModel, ConfigDict, Field

from serving import EndpointType
from serving.json_schema.compatibility import breaks

Fields = list[Any]


class Node(msgspec.Struct):
    """Holds itself."""

    name: str
    inner: list[Node] = []


class NodeOfNumbers(msgspec.Struct):
    """Holds itself, and another name."""

    name: int
    inner: list[NodeOfNumbers] = []


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    age: int


def _list(kind: Any) -> Any:
    return list[kind]


def changed(before: Fields, now: Fields, *, answer: bool) -> list[str]:
    """What the change of a request or an answer breaks; every request has a user."""

    def kind(fields: Fields) -> EndpointType[Any, Any]:
        user, other = ("user", str), defstruct("Other", [("x", int)])
        own = defstruct("Body", [user, *fields])
        asked, answered = (defstruct("Ask", [user]), own) if answer else (own, other)
        return EndpointType("ask", asked, answered, unit="user")

    return breaks(kind(before).contract, kind(now).contract)


INNER: Any = defstruct("Inner", [("id", str), ("score", float)])
WITHOUT_SCORE: Any = defstruct("Inner", [("id", str)])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], [("size", int, 10)]),
        ([("size", int)], [("size", int, 10)]),
        ([("size", int)], [("size", float)]),
        ([("size", int)], [("size", int | None)]),
        ([("size", int)], [("size", Any)]),
        ([("size", Annotated[int, Meta(ge=1, le=10)])], [("size", Annotated[int, Meta(ge=0, le=100)])]),
        ([("size", Annotated[int, Meta(gt=0)])], [("size", Annotated[int, Meta(ge=0)])]),
        ([("kind", Literal["a"])], [("kind", Literal["a", "b"])]),
        ([("kind", Literal["a", None])], [("kind", str | None)]),
        ([("tags", tuple[int, int])], [("tags", list[float])]),
        ([("rates", dict[str, int])], [("rates", dict[str, float])]),
        ([("inner", INNER)], [("inner", INNER | None)]),
        ([("node", Node)], [("node", Node | None)]),
        ([("pet", Cat)], [("pet", Cat | Dog)]),
        ([("name", Annotated[str, Meta(max_length=5)])], [("name", str)]),
    ],
)
def test_a_request_that_takes_all_that_it_took_breaks_nobody(before: Fields, now: Fields) -> None:
    assert changed(before, now, answer=False) == []


@pytest.mark.parametrize(
    ("before", "now", "what"),
    [
        ([], [("size", int)], "`size` of the request must be given now"),
        ([("size", int, 10)], [("size", int)], "`size` of the request must be given now"),
        ([("size", int)], [], "`size` of the request is not read any more"),
        ([("size", int)], [("size", str)], "`size` of the request took integer and takes string now"),
        ([("size", int | None)], [("size", int)], "`size` of the request took null and takes integer now"),
        ([("size", Any)], [("size", int)], "`size` of the request took anything and takes integer now"),
        ([("size", float)], [("size", int)], "`size` of the request took number and takes integer now"),
        (
            [("size", Annotated[int, Meta(ge=1, le=100)])],
            [("size", Annotated[int, Meta(ge=1, le=50)])],
            "`size` of the request took integer, 1 to 100 and takes integer, 1 to 50 now",
        ),
        (
            [("kind", Literal["a", "b"])],
            [("kind", Literal["a"])],
            "`kind` of the request took one of a, b and takes one of a now",
        ),
        ([("inner", INNER)], [("inner", WITHOUT_SCORE)], "`inner.score` of the request is not read any more"),
        (
            [("inner", _list(WITHOUT_SCORE | None))],
            [("inner", _list(INNER | None))],
            "`inner[].score` of the request must be given now",
        ),
        (
            [("node", Node)],
            [("node", NodeOfNumbers)],
            "`node.name` of the request took string and takes integer now",
        ),
        ([("pet", Cat | Dog)], [("pet", Cat)], "`pet.type` of the request took one of dog and takes one of cat now"),
        (
            [("rates", dict[str, float])],
            [("rates", dict[str, int])],
            "`rates.*` of the request took number and takes integer now",
        ),
        (
            [("name", str)],
            [("name", Annotated[str, Meta(max_length=5)])],
            "`name` of the request took string and takes string, at most 5 characters now",
        ),
        (
            [("name", str)],
            [("name", Annotated[str, Meta(pattern="^a")])],
            "`name` of the request took pattern of any kind and takes pattern ^a now",
        ),
        ([("pair", tuple[int, int])], [("pair", tuple[int, str])], "`pair[1]` of the request took integer"),
    ],
)
def test_a_request_that_takes_less_is_told_by_its_field(before: Fields, now: Fields, what: str) -> None:
    found = changed(before, now, answer=False)
    assert any(clause.startswith(what) for clause in found), found


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], [("more", int)]),
        ([("inner", _list(WITHOUT_SCORE))], [("inner", _list(INNER))]),
        ([("size", float)], [("size", int)]),
        ([("size", int | None)], [("size", int)]),
        ([("kind", Literal["a", "b"])], [("kind", Literal["a"])]),
        ([("because", list[str], [])], [("because", list[str])]),
    ],
)
def test_an_answer_with_more_fields_or_narrower_ones_breaks_nobody(before: Fields, now: Fields) -> None:
    assert changed(before, now, answer=True) == []


@pytest.mark.parametrize(
    ("before", "now", "what"),
    [
        ([("size", int)], [], "`size` of the answer is gone"),
        ([("inner", _list(INNER))], [("inner", _list(WITHOUT_SCORE))], "`inner[].score` of the answer is gone"),
        ([("size", int)], [("size", int, 0)], "`size` of the answer may be left out now"),
        ([("size", int)], [("size", int | None)], "`size` of the answer was integer and may be null now"),
        ([("size", int)], [("size", float)], "`size` of the answer was integer and may be number now"),
        (
            [("kind", Literal["a"])],
            [("kind", Literal["a", "b"])],
            "`kind` of the answer was one of a and may be one of a, b now",
        ),
    ],
)
def test_an_answer_that_promises_less_is_told_by_its_field(before: Fields, now: Fields, what: str) -> None:
    assert changed(before, now, answer=True) == [what]


def test_another_unit_breaks_the_experiments() -> None:
    ask = defstruct("Ask", [("user", str), ("session", str)])
    before, now = (EndpointType("ask", ask, INNER, unit=unit) for unit in ("user", "session"))
    [found] = breaks(before.contract, now.contract)
    assert found.startswith("its unit was `user` and is `session` now")


class Strict(BaseModel):
    """A model that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")
    user: str


class StrictMore(BaseModel):
    """The same with one field more."""

    model_config = ConfigDict(extra="forbid")
    user: str
    size: int = Field(default=10, gt=0, alias="how_many")


def test_models_of_pydantic_are_compared_by_the_same_rules_and_with_structs_too() -> None:
    user = defstruct("User", [("user", str)])
    small, large = (EndpointType("ask", kind, kind, unit="user").contract for kind in (Strict, StrictMore))
    plain = EndpointType("ask", user, user, unit="user").contract
    assert breaks(small, large) == ["`how_many` of the answer is new, and callers refuse fields that they do not know"]
    assert breaks(large, small)[0] == "`how_many` of the request is refused now"
    assert breaks(plain, small) == []


def test_nothing_changed_is_nothing_broken() -> None:
    for kind in (Node, Cat, Dog, INNER, StrictMore):
        unit = next(iter(kind.__annotations__))
        contract = EndpointType("ask", kind, kind, unit=unit).contract
        assert breaks(contract, contract) == []
