"""The form of a request sends what the request's type reads, whatever fields it has."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.console.request_form import body, fields
from serving.problem import Problem


class Part(msgspec.Struct):
    size: int = 10


class Whole(msgspec.Struct):
    """Every kind of field that a form shows."""

    user: str
    score: float
    order: Literal["new", "old"]
    part: Part
    tags: list[str]
    exact: bool = False
    note: str | None = None
    count: Annotated[int, msgspec.Meta(description="How many", ge=0)] | None = None


SCHEMA = msgspec.json.schema(Whole)
WHOLES = st.builds(
    Whole,
    user=st.text(),
    score=st.floats(allow_nan=False, allow_infinity=False),
    order=st.sampled_from(["new", "old"]),
    part=st.builds(Part, st.integers(-9, 9)),
    tags=st.lists(st.text(), max_size=3),
    exact=st.booleans(),
    note=st.none() | st.text(min_size=1).filter(str.strip),
    count=st.none() | st.integers(0, 10**12),
)


def shown(example: Whole) -> Any:
    return fields(SCHEMA, msgspec.to_builtins(example))


@given(WHOLES)
def test_a_form_that_is_sent_as_it_is_shown_is_the_example(example: Whole) -> None:
    known = shown(example)
    assert msgspec.json.decode(body(known, {field.place: field.value for field in known}), type=Whole) == example


def test_each_field_is_asked_for_as_its_type_is() -> None:
    known = shown(Whole("u1", 0.5, "new", Part(), []))
    assert {field.name: field.kind for field in known} == {
        "user": "text",
        "score": "number",
        "order": "choice",
        "part": "json",
        "tags": "json",
        "exact": "choice",
        "note": "text",
        "count": "number",
    }
    assert known[2].choices == ('"new"', '"old"')
    assert (known[7].hint, known[7].required, known[0].required) == ("How many", False, True)


def test_what_is_left_empty_is_left_out_and_a_required_text_is_empty() -> None:
    known = shown(Whole("u1", 0.5, "new", Part(), []))
    assert msgspec.json.decode(body(known, {})) == {"user": ""}


def test_a_wrong_number_is_sent_for_the_service_to_refuse_and_wrong_json_is_refused_here() -> None:
    known = shown(Whole("u1", 0.5, "new", Part(), []))
    assert msgspec.json.decode(body(known, {"field.score": "much"}))["score"] == "much"
    with pytest.raises(Problem, match="tags: it is not JSON"):
        body(known, {"field.tags": "[1"})
