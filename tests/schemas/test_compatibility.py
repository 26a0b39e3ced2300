"""What a changed schema would break is said place by place. The published verdicts: `test_registry_http.py`."""

from __future__ import annotations

from typing import Any

from schemas.compatibility import CompatibilityLevel, check, unreadable


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


def doubled(kind: str) -> dict[str, Any]:
    """A record in which a type is meant 2^40 times."""
    inner = record({"name": "x", "type": kind}) | {"name": "I"}
    for number in range(40):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": inner["name"]}]
        inner = {"type": "record", "name": f"I{number}", "fields": fields}
    return inner


def test_types_that_name_one_another_many_times_are_judged_in_a_moment() -> None:
    assert unreadable(doubled("long"), doubled("int")) == []
    said = unreadable(doubled("int"), doubled("long"))
    assert 1 <= len(said) <= 100
    assert all(reason.endswith(".x is long, and the reader takes int") for reason in said)
