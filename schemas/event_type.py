"""A topic's events: Avro schema, key, and how they look as a frame.

Columns are imported where a frame is made: who only emits events needs no polars.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.avro import Node, of_text, parsed, resolved, text_of
from schemas.datum_writer import DatumWriter
from schemas.errors import MalformedEvent, SchemaError
from schemas.personal import HASH, PII, SUBJECT, check, marks
from schemas.record import Record
from schemas.wire import frame

if TYPE_CHECKING:
    import polars as pl

TOPIC, KEY, ID, ARCHIVE = "millrace.topic", "millrace.key", "millrace.id", "millrace.archive"
VALUE = "-value"
"""How the subjects of topics' values end."""
_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
"""Kafka's rule. A client would take a name that begins with ^ for a pattern of names."""
_KEYS = {"string", "long", "int", "bytes"}


@dataclass(frozen=True, eq=False)
class EventType:
    """One kind of event, on a topic of its own.

    Attributes:
        topic: where its events are.
        schema: the Avro schema of a record, as JSON values.
        key: the field that decides the partition; None = events have no key.
        python: the class that was declared for it, if one was.

    Raises:
        SchemaError: the topic has no name that Kafka takes; the schema is none, is not a record, or has no usable key
            field.
    """

    topic: str
    schema: Mapping[str, Any]
    key: str | None = None
    python: type[Record] | None = None

    def __post_init__(self) -> None:
        if _TOPIC.fullmatch(self.topic) is None:
            raise SchemaError(
                f"{self.topic[:300]!r} is no name of a topic: one has 1 to 249 letters, digits, '.', '_' and '-', and "
                "is neither '.' nor '..'."
            )
        parsed(self.schema)
        fields = self.schema.get("fields") if isinstance(self.schema, Mapping) else None
        if not isinstance(fields, list) or self.schema.get("type") != "record":
            raise SchemaError(f"The events of {self.topic} need a schema of the type record, with fields.")
        self._check_id()
        if PII in self.text or SUBJECT in self.schema:
            check(self.topic, self.schema, resolved(self.schema))
        if self.key is None:
            return
        kinds = {field.name: field.type.kind for field in resolved(self.schema).fields}
        if self.key not in kinds:
            raise SchemaError(f"{self.topic} has no field {self.key!r} to be its key; it has {', '.join(kinds)}.")
        if kinds[self.key] not in _KEYS:
            raise SchemaError(
                f"The key {self.key!r} of {self.topic} must be a string, an integer or bytes, never null."
            )

    @property
    def id(self) -> str | None:
        """The field that tells an event which was sent twice, by the schema's property `millrace.id`; None = none."""
        return self.schema.get(ID)

    @property
    def archived(self) -> bool:
        """Whether its events are to be archived, by the schema's property `millrace.archive`."""
        return self.schema.get(ARCHIVE) is True

    @property
    def about(self) -> str | None:
        """The field that names the person whom an event is about: the schema's property `millrace.subject`, or the key
        of a type that marks fields as personal; None = it is about nobody, as far as it says."""
        return self.schema.get(SUBJECT) or (self.key if marks(self.schema) else None)

    @cached_property
    def hashed(self) -> tuple[str, ...]:
        """The fields that an archive keeps as pseudonyms."""
        return tuple(name for name, mark in marks(self.schema).items() if mark == HASH)

    @property
    def subject(self) -> str:
        """The registry's name for it."""
        return self.topic + VALUE

    @property
    def name(self) -> str:
        """The schema's full name."""
        space = self.schema.get("namespace")
        return f"{space}.{self.schema['name']}" if space else str(self.schema["name"])

    @cached_property
    def text(self) -> str:
        """The schema as it is registered: compact JSON."""
        return text_of(self.schema)

    @cached_property
    def shape(self) -> Node:
        """The schema with all names resolved."""
        return resolved(self.schema)

    @cached_property
    def json_reader(self) -> Callable[[bytes], dict[str, Any]] | None:
        """Reads its events from JSON where they are plain; see `schemas.json_reader`."""
        from schemas.json_reader import json_reader

        return json_reader(self.shape)

    @cached_property
    def writer(self) -> DatumWriter:
        """Encodes its events."""
        return DatumWriter(self.schema)

    @cached_property
    def frame_schema(self) -> dict[str, pl.DataType]:
        """Column names and polars types of its events as a frame.

        Raises:
            SchemaError: a field is a union of several types, which no column holds.
        """
        from schemas.columns import frame_schema

        return frame_schema(self.schema)

    @cached_property
    def time_field(self) -> str | None:
        """The field that says when an event happened: `at`, or else the first field that holds a time; None = none."""
        import polars as pl

        times = [name for name, kind in self.frame_schema.items() if isinstance(kind, pl.Datetime)]
        return "at" if "at" in times else next(iter(times), None)

    def _check_id(self) -> None:
        if self.id is None:
            return
        fields = resolved(self.schema).fields
        kinds = {field.name: {branch.kind for branch in field.type.branches or [field.type]} for field in fields}
        if self.id not in kinds:
            raise SchemaError(f"{self.topic} has no field {self.id!r} to be its id; it has {', '.join(kinds)}.")
        if not kinds[self.id] <= _KEYS | {"null"}:
            raise SchemaError(
                f"The id {self.id!r} of {self.topic} must be a string, an integer or bytes; it may be null."
            )

    def key_of(self, value: Mapping[str, Any]) -> bytes | None:
        """The Kafka key of an event; None where the type has no key.

        Raises:
            MalformedEvent: the key's field is missing or null.
        """
        if self.key is None:
            return None
        found = value.get(self.key)
        if isinstance(found, str):
            return found.encode()
        if isinstance(found, bytes):
            return found
        if found is None:
            raise MalformedEvent(f"An event of {self.topic} needs its key field {self.key!r}.")
        return str(found).encode()

    def encode(self, schema_id: int, value: Mapping[str, Any] | Record) -> bytes:
        """One event in the wire format.

        Args:
            schema_id: under which its schema is registered.

        Raises:
            MalformedEvent: the value does not fit the schema.
        """
        fields = value if isinstance(value, Mapping) else value.to_dict()
        return frame(schema_id, self.writer.write(fields, self.topic))

    def frame(self, events: Sequence[Record]) -> pl.DataFrame:
        """Events of the declared class as a frame with the columns of `frame_schema`."""
        from schemas.columns import frame_of

        return frame_of([event.to_dict() for event in events], self.schema)

    def events(self, frame: pl.DataFrame) -> Iterator[Record]:
        """The rows of a frame as events of the declared class, one by one.

        Raises:
            SchemaError: no class was declared.
        """
        if self.python is None:
            raise SchemaError(f"{self.topic} has no Python class; declare one to get its events one by one.")
        from schemas.event_rows import events_of

        return events_of(self.python, frame, list(self.frame_schema))


def registered(subject: str, text: str) -> EventType:
    """The event type that a registry knows under a subject, `<topic>-value`.

    Args:
        text: its schema.

    Raises:
        SchemaError: it is no event type's.
    """
    schema = of_text(text)
    if not isinstance(schema, dict):
        raise SchemaError(f"The subject {subject} holds no record schema.")
    return EventType(str(schema.get(TOPIC) or subject.removesuffix(VALUE)), schema, schema.get(KEY))


def load(path: str | Path, topic: str | None = None) -> EventType:
    """Read an event type from an .avsc file.

    Args:
        topic: where its events are; left out, the schema's property `millrace.topic`, or else the file's name.

    Raises:
        SchemaError: the file is missing, is no JSON or no usable schema.
    """
    file = Path(path)
    try:
        schema = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SchemaError(f"{file} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SchemaError(f"{file} is not JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise SchemaError(f"{file} holds no record schema.")
    try:
        return EventType(topic or schema.get(TOPIC) or file.stem, schema, schema.get(KEY))
    except SchemaError as error:
        raise SchemaError(f"{file}: {error}") from error
