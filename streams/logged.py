"""One message as it stands in the log, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from schemas import Codec
from schemas.errors import MillraceError
from schemas.event_type import ID
from schemas.redaction import without_secrets
from schemas.wire import schema_id_of
from streams.dead_letters.headers import headers_in

LONGEST = 20_000
"""Characters of an event's JSON that are kept."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A message. `timestamp_ms` is the log's time, in milliseconds since 1970; -1 where it has none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def place(self) -> str:
        """Where it is: `clicks/3/17`."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")

    @property
    def key_text(self) -> str:
        """The key as a person reads it; "" where there is none."""
        return (self.key or b"")[:500].decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Told:
    """A message and what it says by the schema that it was written with.

    Attributes:
        value: its fields; None where it cannot be read, for the reason `why_not`.
        text: the fields as JSON in one line, without secrets; "" where there are none.
        schema: the schema's number in the registry, and its name.
        id: the value of the field that the schema names as its id.
    """

    event: Logged
    value: Mapping[str, Any] | None
    text: str = ""
    why_not: str = ""
    schema: str = ""
    id: Any = None


def logged(message: Message) -> Logged:
    """What the client has read."""
    partition, offset = message.partition(), message.offset()
    return Logged(
        topic=message.topic() or "",
        partition=-1 if partition is None else partition,
        offset=-1 if offset is None else offset,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=headers_in(message),
    )


def told(event: Logged, codec: Codec) -> Told:
    """What a message says. A registry that is away is a reason, too."""
    if event.value is None:
        return Told(event, None, why_not="It has no value: a tombstone.")
    try:
        schema = codec.schema_of(event.value)
        value = codec.decode_as_written(event.value)
        named = schema if isinstance(schema, Mapping) else {}
        title = f"{named.get('name', 'schema')} (id {schema_id_of(event.value)})"
        return Told(event, value, as_json(value), schema=title, id=value.get(named.get(ID, "")))
    except MillraceError as error:
        return Told(event, None, why_not=f"{type(error).__name__}: {error}")


def as_json(value: Mapping[str, Any], indent: int | None = None) -> str:
    """Fields as people read them, without secrets."""
    shown = json.dumps(without_secrets(value), indent=indent, default=_plain, ensure_ascii=False)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + " …"


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
