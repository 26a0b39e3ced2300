"""What a storage can be created with, and what is refused by which name."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import pytest

from storage import Counters, Memory, OptionRefused, Ranking, Records
from storage.formats.blank import OPTIONS, blank, places
from storage.formats.span import in_words, span
from storage.versions import create
from tests.storage.form_stage import Row

SCHEMA = {"type": "record", "name": "Film", "fields": [{"name": "title", "type": "string"}]}


def test_a_blank_storage_is_taken_over_by_the_learner_that_declares_the_same() -> None:
    memory = Memory()
    created = [
        blank("memory", "ranking", "popular", {"half_life": "30d", "size": "100"}),
        blank("memory", "counters", "clicks", {}),
        blank("memory", "records", "rows", {}, Row.avro_schema()),
    ]
    forms = [Ranking("popular", timedelta(days=30), 100), Counters("clicks"), Records("rows", Row)]
    for item, form in zip(created, forms, strict=True):
        create(memory, item, "ada")
        taken = memory.declare(form.describe("learner", 1, 1, "clicks"))
        assert (taken.writer, taken.made_by) == ("learner@1", "ada")


@pytest.mark.parametrize(
    ("place", "options", "field", "words"),
    [
        (("mongo", "ranking", "a"), {}, "technology", "There is no technology 'mongo'"),
        (("redis", "graph", "a"), {}, "format", "There is no format 'graph'; there are"),
        (("redis", "ranking", "Top 10"), {}, "name", "cannot name a storage"),
        (("redis", "ranking", "a" * 101), {}, "name", "at most 100 characters"),
        (("redis", "ranking", "a"), {"half_life": "soon"}, "half_life", '"30d"'),
        (("redis", "ranking", "a"), {"half_life": "0d"}, "half_life", "longer than nothing"),
        (("redis", "ranking", "a"), {"half_life": "999999999w"}, "half_life", "longer than anything lasts"),
        (("redis", "ranking", "a"), {"half_life": "36526d"}, "half_life", "'36526d' is longer than 36525 days"),
        (("redis", "ranking", "a"), {"size": 0}, "size", "no whole number from 1 to"),
        (("redis", "ranking", "a"), {"size": "9" * 5_000}, "size", "no whole number"),
        (("relational", "documents", "a"), {"fields": "a,a"}, "fields", "twice"),
        (("relational", "documents", "a"), {"fields": ["\ud800"]}, "fields", "surrogates not allowed"),
        (("redis", "records", "a"), {"schema": json.dumps({**SCHEMA, "doc": "\ud800"})}, "schema", "lone surrogate"),
        (("redis", "records", "a"), {"schema": json.dumps({**SCHEMA, "x": math.nan})}, "schema", "not JSON compliant"),
        (("redis", "vectors", "a"), {"dimensions": 1_000_000_000}, "dimensions", "from 1 to 65,536"),
        (("redis", "ranking", "a"), {"size": True}, "size", "no whole number"),
        (("redis", "ranking", "a"), {"colour": "red"}, "colour", "no option colour; it has half_life, size"),
        (("redis", "ranking", "a"), {"schema": SCHEMA}, "schema", "no option schema"),
        (("redis", "records", "a"), {}, "schema", "records needs schema"),
        (("redis", "records", "a"), {"schema": "{"}, "schema", "not JSON"),
        (("redis", "records", "a"), {"schema": '"string"'}, "schema", "type record"),
        (("search", "ranking", "a"), {}, "format", "search cannot hold ranking/a"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_the_field(
    place: tuple[str, str, str], options: dict[str, Any], field: str, words: str
) -> None:
    options = dict(options)
    schema = options.pop("schema", None)
    with pytest.raises(OptionRefused) as refused:
        blank(*place, options, schema)
    assert refused.value.field == field
    assert words in str(refused.value)


def test_what_is_left_empty_counts_as_left_out() -> None:
    item = blank("redis", "ranking", "popular", {"half_life": "", "size": None}, "")
    assert item.options == {"half_life_ms": None, "size": None}
    assert (item.writer, item.topic, item.schema) == ("", "", None)


def test_a_schema_may_be_given_as_text() -> None:
    item = blank("redis", "records", "films", {}, '{"type": "record", "name": "Film", "fields": []}')
    assert item.schema == {"type": "record", "name": "Film", "fields": []}


def test_each_technology_says_of_each_format_whether_it_holds_it() -> None:
    found = places()
    assert "memory" not in found
    assert found["redis"]["ranking"] is None
    assert "exact" in (found["search"]["counters"] or "")
    assert {format for formats in found.values() for format in formats} == set(OPTIONS)


@pytest.mark.parametrize(("text", "milliseconds"), [("90s", 90_000), ("6 h", 21_600_000), ("30D", 2_592_000_000)])
def test_spans_are_read_as_people_write_them(text: str, milliseconds: int) -> None:
    assert span(text) == timedelta(milliseconds=milliseconds)
    assert span(in_words(milliseconds)) == span(text)
