"""Verdicts about changed schemas agree with those that Avro and Karapace publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas import IncompatibleSchema, MemoryRecordLog, Registry
from schemas.compatibility import CompatibilityLevel, check, unreadable

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "compatibility.json").read_text("utf-8"))["cases"]
SETTLED = [case for case in CASES if not case.get("disputed")]


@pytest.mark.parametrize("case", SETTLED, ids=lambda case: case["name"])
def test_a_registration_is_judged_as_published(case: dict[str, Any]) -> None:
    registry = Registry(MemoryRecordLog())
    registry.set_level(CompatibilityLevel.NONE)
    for schema in case["old_schemas"]:
        registry.register("subject", json.dumps(schema))
    for number in case.get("deleted_versions", ()):
        registry.delete("subject", number)
    registry.set_level(CompatibilityLevel[case["mode"]])
    if case["compatible"]:
        registry.register("subject", json.dumps(case["new_schema"]))
    else:
        with pytest.raises(IncompatibleSchema) as refused:
            registry.register("subject", json.dumps(case["new_schema"]))
        assert refused.value.messages


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields)}


ID = {"name": "id", "type": "string"}


def test_a_new_field_without_a_default_is_named() -> None:
    new = record(ID, {"name": "at", "type": "long"})
    assert check(CompatibilityLevel.BACKWARD, new, [record(ID)]) == [
        "the new schema cannot read earlier events: field at is not written and has no default"
    ]
    assert check(CompatibilityLevel.NONE, new, [record(ID)]) == []
    assert check(CompatibilityLevel.FORWARD, new, [record(ID)]) == []


def test_a_place_deep_inside_is_named() -> None:
    def nested(kind: str) -> dict[str, Any]:
        inner = {"type": "record", "name": "I", "fields": [{"name": "n", "type": kind}]}
        return record({"name": "list", "type": {"type": "array", "items": inner}})

    assert unreadable(nested("int"), nested("string")) == ["field list[].n is string, and the reader takes int"]


def test_only_the_latest_version_counts_unless_the_level_is_transitive() -> None:
    olds = [record({"name": "id", "type": "string"}), record({"name": "id", "type": "long"})]
    assert check(CompatibilityLevel.BACKWARD, record({"name": "id", "type": "double"}), olds) == []
    assert check(CompatibilityLevel.BACKWARD_TRANSITIVE, record({"name": "id", "type": "double"}), olds)
