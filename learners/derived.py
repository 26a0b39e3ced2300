"""Topics that follow from another: the same events, split by another key or all in one order.

Each is written by a learner of our own, whose units pass the bytes of every event on under the new key, and which keeps
no rows but its position: a repartitioning is an emission like any other.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from schemas import EventType
from schemas.event_type import KEY, TOPIC
from schemas.personal import SUBJECT

_WRITES = "derive_"


def by_key(source: EventType, key: str) -> EventType:
    """The events of a topic, split by another field: `clicks.by-item`.

    Raises:
        SchemaError: that field cannot be a key.
    """
    return _typed(source, f"{source.topic}.by-{key}", key)


def in_one_order(source: EventType) -> EventType:
    """The events of a topic on one partition: `clicks.in-order`."""
    return _typed(source, f"{source.topic}.in-order", source.key)


def renamed(source: EventType, topic: str) -> EventType:
    """The same events on another topic."""
    return _typed(source, topic, source.key)


def writer_of(topic: str) -> str:
    """The name of the learner that writes a derived topic, as a learner's name may be."""
    name = re.sub(r"[^a-z0-9_]", "_", topic)
    plain = re.fullmatch(r"[a-z0-9_.-]+", topic) is not None and "__" not in name
    return f"{_WRITES}{name}" if plain else f"{_WRITES}{name}_{zlib.crc32(topic.encode()):08x}"


def is_writer(learner: str) -> bool:
    """Whether a learner of this name writes a derived topic."""
    return learner.startswith(_WRITES)


def _typed(source: EventType, topic: str, key: str | None) -> EventType:
    schema: dict[str, Any] = {**_without_place(source.schema), TOPIC: topic}
    if key is not None:
        schema[KEY] = key
    if source.about is not None:
        schema[SUBJECT] = source.about
    return replace(source, topic=topic, schema=schema, key=key)


def _without_place(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in (TOPIC, KEY)}
