"""A descriptor whose options are none of its format's is damaged; those that Millrace keeps are not."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from storage import Counters, Descriptor, Documents, Format, Parameters, Ranking, Records, Vectors
from storage.errors import EntryDamaged
from tests.contracts.model import storage
from tests.storage.form_stage import Row

FORMS: list[Format] = [
    Counters("a"),
    Ranking("a"),
    Ranking("a", half_life=timedelta(hours=1), size=10),
    Records("a", Row),
    Vectors("a", dimensions=3, metric="dot"),
    Documents("a", fields=["title", "plot"]),
    Parameters("a", dict, merge="sum"),
]
VECTORS: dict[str, Any] = {"dimensions": 3, "metric": "dot"}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.format)
def test_what_a_declaration_keeps_can_be_read(form: Format) -> None:
    item = form.describe("learner", 1, 1, "clicks")
    assert Descriptor.of_json(item.to_json()) == item
    later = {**asdict(item), "options": {**item.options, "colour": "red"}}
    assert Descriptor.of_json(json.dumps(later)).options["colour"] == "red", "a later release may have added it"


@pytest.mark.parametrize(
    ("format", "options", "why"),
    [
        ("ranking", {"half_life_ms": "1h"}, "`options.half_life_ms` is not an integer from 1"),
        ("ranking", {"half_life_ms": 0}, "`options.half_life_ms` is not an integer from 1"),
        ("ranking", {"size": "10"}, "`options.size` is not an integer from 1"),
        ("ranking", {"size": -1}, "`options.size` is not an integer from 1"),
        ("vectors", {"metric": "dot"}, "`options.dimensions` is missing"),
        ("vectors", {**VECTORS, "dimensions": 3.5}, "`options.dimensions` is not an integer from 1"),
        ("vectors", {**VECTORS, "metric": "manhattan"}, "`options.metric` is not one of cosine, dot, euclidean"),
        ("vectors", {**VECTORS, "metric": ["dot"]}, "`options.metric` is not one of"),
        ("vectors", {**VECTORS, "index": "text"}, "`options.index` is not one of vector, or null"),
        ("documents", {}, "`options.fields` is missing"),
        ("documents", {"fields": "title"}, "`options.fields` is not a list of texts"),
        ("documents", {"fields": ["title", 7]}, "`options.fields` is not a list of texts"),
        ("parameters", {"merge": "guess"}, "`options.merge` is not one of average, sum, ensemble"),
    ],
)
def test_options_that_no_reader_understands_are_named(format: str, options: dict[str, Any], why: str) -> None:
    with pytest.raises(EntryDamaged) as refused:
        Descriptor.of_json(storage(f"{format}/a", options=options).to_json())
    assert why in str(refused.value)
