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
_TIME: Schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]}
_LOGICAL: Mapping[str, Schema] = {
    "timestamp-millis": _TIME,
    "timestamp-micros": _TIME,
    "date": {"anyOf": [{"type": "string", "format": "date"}, {"type": "integer"}]},
    "uuid": {"type": "string", "format": "uuid"},
}


def json_schema(avro: Any) -> Schema:
    """The JSON Schema of an Avro schema, given as JSON values; a type that holds itself is left open where it does."""
    return _schema(avro, {}, "")


def _schema(avro: Any, known: dict[str, Schema], namespace: str) -> Schema:
    """`known` are the named types so far, by full name; `namespace` is the one that names without a dot belong to."""
    if isinstance(avro, str):
        return dict(_PRIMITIVES.get(avro) or known.get(_full(avro, namespace)) or {})
    if isinstance(avro, list):
        return {"anyOf": [_schema(branch, known, namespace) for branch in avro]}
    logical = _LOGICAL.get(avro.get("logicalType", ""))
    if logical is not None:
        return dict(logical)
    match avro["type"]:
        case "record" | "enum" | "fixed":
            return _named(avro, known, _full(avro["name"], avro.get("namespace", namespace)))
        case "array":
            return {"type": "array", "items": _schema(avro["items"], known, namespace)}
        case "map":
            return {"type": "object", "additionalProperties": _schema(avro["values"], known, namespace)}
        case inner:
            return _schema(inner, known, namespace)


def _full(name: str, namespace: str) -> str:
    """A name with its namespace (Avro specification, Names)."""
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _named(avro: Mapping[str, Any], known: dict[str, Schema], name: str) -> Schema:
    if avro["type"] == "enum":
        known[name] = {"type": "string", "enum": list(avro["symbols"])}
    elif avro["type"] == "fixed":
        known[name] = {"type": "string", "minLength": avro["size"], "maxLength": avro["size"]}
    else:
        known[name] = {"type": "object"}
        known[name] = _record(avro, known, name.rpartition(".")[0])
    return known[name]


def _record(avro: Mapping[str, Any], known: dict[str, Schema], namespace: str) -> Schema:
    """Optional are the fields with a default, and those that may be null: the intake fills them in."""
    properties, required = {}, []
    for field in avro["fields"]:
        properties[field["name"]] = _schema(field["type"], known, namespace)
        nullable = field["type"] == "null" or (isinstance(field["type"], list) and "null" in field["type"])
        if "default" not in field and not nullable:
            required.append(field["name"])
    found: Schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if avro.get("doc"):
        found["description"] = avro["doc"]
    return found
