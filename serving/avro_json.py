"""An Avro schema as the JSON Schema of what the intake accepts for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

_PRIMITIVES: Mapping[str, Schema] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "bytes": {"type": "string"},
}
_LOGICAL: Mapping[str, str] = {
    "timestamp-millis": "date-time",
    "timestamp-micros": "date-time",
    "date": "date",
    "uuid": "uuid",
}


def json_schema(avro: Any, named: dict[str, Schema] | None = None) -> Schema:
    """The JSON Schema of an Avro schema, given as JSON values; a type that holds itself is left open where it does."""
    known = {} if named is None else named
    if isinstance(avro, str):
        return dict(_PRIMITIVES.get(avro) or known.get(avro) or {})
    if isinstance(avro, list):
        return {"anyOf": [json_schema(branch, known) for branch in avro]}
    logical = _LOGICAL.get(avro.get("logicalType", ""))
    if logical is not None:
        return {"type": "string", "format": logical}
    match avro["type"]:
        case "record":
            known[avro["name"]] = {"type": "object"}
            known[avro["name"]] = _record(avro, known)
            return known[avro["name"]]
        case "enum":
            known[avro["name"]] = {"type": "string", "enum": list(avro["symbols"])}
            return known[avro["name"]]
        case "fixed":
            known[avro["name"]] = {"type": "string", "minLength": avro["size"], "maxLength": avro["size"]}
            return known[avro["name"]]
        case "array":
            return {"type": "array", "items": json_schema(avro["items"], known)}
        case "map":
            return {"type": "object", "additionalProperties": json_schema(avro["values"], known)}
        case inner:
            return json_schema(inner, known)


def _record(avro: Mapping[str, Any], known: dict[str, Schema]) -> Schema:
    """Optional are the fields with a default, and those that may be null: the intake fills them in."""
    properties, required = {}, []
    for field in avro["fields"]:
        properties[field["name"]] = json_schema(field["type"], known)
        nullable = field["type"] == "null" or (isinstance(field["type"], list) and "null" in field["type"])
        if "default" not in field and not nullable:
            required.append(field["name"])
    found: Schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if avro.get("doc"):
        found["description"] = avro["doc"]
    return found
