"""What is registered and who reads it, as an AsyncAPI 3.0 document. No I/O.

https://www.asyncapi.com/docs/reference/specification/v3.0.0; Kafka's bindings 0.5.0 of the same house. The application
described is the platform as a whole: producers `send`, learners `receive`, and one that emits `send`s too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.event_type import KEY
from schemas.graph import Graph, following

FORMAT = "application/vnd.apache.avro;version=1.9.0"
_BINDINGS = "0.5.0"


def asyncapi(
    schemas: Mapping[str, Mapping[str, Any]], graph: Graph, kafka: Sequence[str] = (), registry: str = ""
) -> dict[str, Any]:
    """The document.

    Args:
        schemas: the newest version of each topic that is registered.
        kafka: addresses of brokers, without passwords.
        registry: the registry's address, without one.
    """
    channels = {_name(topic): _channel(topic, schema) for topic, schema in schemas.items()}
    operations = {f"send_{_name(topic)}": _sends(topic) for topic in schemas}
    for reader in graph.readers:
        name = _name(f"{reader.product}_{reader.learner}_{reader.version}")
        what = f"Learner {reader.title}"
        if reader.topic in schemas:
            operations[f"receive_{name}"] = {
                **_operation("receive", reader.topic),
                "title": what,
                "description": f"Folds these events; {following(graph.affected(reader))}.",
                "tags": [{"name": reader.product}],
            }
        for topic in reader.emits:
            if topic in schemas:
                operations[f"emit_{name}_{_name(topic)}"] = {**_operation("send", topic), "title": what}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Millrace", "version": "1", "description": "Topics, their events, and who reads them."},
        "defaultContentType": "application/vnd.apache.avro",
        **({"servers": _servers(kafka, registry)} if kafka else {}),
        "channels": channels,
        "operations": operations,
        "components": {"messages": {_name(topic): _message(schema) for topic, schema in schemas.items()}},
    }


def _servers(kafka: Sequence[str], registry: str) -> dict[str, Any]:
    binding = {"schemaRegistryUrl": registry, "schemaRegistryVendor": "confluent", "bindingVersion": _BINDINGS}
    bindings = {"bindings": {"kafka": binding}} if registry else {}
    return {
        f"kafka{number or ''}": {"host": address, "protocol": "kafka", **bindings}
        for number, address in enumerate(kafka)
    }


def _channel(topic: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {str(schema["name"]): {"$ref": f"#/components/messages/{_name(topic)}"}},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": _BINDINGS}},
    }


def _message(schema: Mapping[str, Any]) -> dict[str, Any]:
    key = next((field for field in schema["fields"] if field["name"] == schema.get(KEY)), None)
    shape = {"key": {"type": "string", "description": f"The field {key['name']}."}} if key is not None else {}
    wire = {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent", "bindingVersion": _BINDINGS}
    doc = {"description": schema["doc"]} if isinstance(schema.get("doc"), str) else {}
    return {
        "name": str(schema["name"]),
        **doc,
        "payload": {"schemaFormat": FORMAT, "schema": dict(schema)},
        "bindings": {"kafka": {**shape, **wire}},
    }


def _sends(topic: str) -> dict[str, Any]:
    return {**_operation("send", topic), "title": f"Producers of {topic}"}


def _operation(action: str, topic: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{_name(topic)}"}}


def _name(text: str) -> str:
    """A text as a name within the document may be; different ones stay so."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"-{ord(found[0]):x}-", text)
