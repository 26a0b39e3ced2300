"""A topic of events for Faust: its bytes are what every other reader and writer of the topic has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import faust
from faust.exceptions import ValueDecodeError
from faust.types.tuples import FutureMessage, Message

from schemas import EventType, MalformedEvent, Record, SchemaError
from streams.rejected import Rejected

if TYPE_CHECKING:
    from streams.faust import FaustApp


class AvroSchema(faust.Schema[Any, Any]):
    """How Faust reads and writes events of one type. What cannot be read becomes a dead letter and is left out."""

    def __init__(self, event_type: EventType) -> None:
        super().__init__(key_serializer="raw", value_serializer="raw")
        self.event_type = event_type

    def dumps_value(self, app: Any, value: Any, *, serializer: Any = None, headers: Any) -> tuple[bytes, Any]:
        """An event's bytes; raises MalformedEvent. Where Faust hands one on (`group_by`) it is bytes already."""
        return value if isinstance(value, bytes) else app.encoded(self.event_type, value), headers

    def compile(self, app: Any, **options: Any) -> Callable[..., Awaitable[Any]]:
        """What reads a message."""
        event_type = self.event_type

        async def decode(message: Message, *, propagate: bool = False) -> Any:
            try:
                if message.value is None:
                    raise MalformedEvent("It has no value: a tombstone is no event.")
                value = await app.decoded(event_type, message.value)
            except SchemaError as error:
                await app.refuse(_rejected(message, error))
                raise ValueDecodeError(str(error)) from error
            return app.create_event(message.key, value, message.headers, message)

        return decode


class EventTopic(faust.Topic):
    """The topic of an event type, read as events of its class (`stream.events()` also says their offsets).

    `await topic.send(value=event)` sends one on the partition that its key chooses;
    `await (await topic.send(value=event))` returns when Kafka has it. Raises MalformedEvent.
    """

    schema: AvroSchema

    def __init__(self, app: FaustApp, event_type: EventType | None = None, **options: Any) -> None:
        if event_type is not None:
            options |= {"topics": [event_type.topic], "schema": AvroSchema(event_type)}
        super().__init__(app, **options)

    def as_future_message(self, key: Any = None, value: Any = None, *args: Any, **options: Any) -> FutureMessage:
        """A message to be sent; without a key it has that of the event."""
        if key is None and isinstance(value, Mapping | Record):
            key = self.schema.event_type.key_of(value if isinstance(value, Mapping) else value.to_dict())
        return super().as_future_message(key, value, *args, **options)

    async def on_value_decode_error(self, exc: Exception, message: Message) -> None:
        """Nothing more is to be done: it is among the dead letters."""


def _rejected(message: Message, error: Exception) -> Rejected:
    return Rejected(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=round(message.timestamp * 1000),
        key=message.key,
        value=message.value,
        error=type(error).__name__,
        reason=str(error),
        headers=tuple((str(name), value) for name, value in list(cast(Any, message.headers) or ())),
    )
