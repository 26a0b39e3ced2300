"""A dead letter as a message of Kafka: the original value, and headers as Kafka Connect's dead letter queue has them.

The original headers come first; ours follow, and begin with the last header of the name `TOPIC`. So an original header
of one of these names is kept as well.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from confluent_kafka import Message

from streams.dead_letters.letter import Letter
from streams.rejected import NO_POSITION, Rejected

Header = tuple[str, bytes | None]

_LONGEST_REASON = 2_000
_PREFIX = "__connect.errors."
_TOPIC, _PARTITION, _OFFSET = _PREFIX + "topic", _PREFIX + "partition", _PREFIX + "offset"
_CONNECTOR, _TASK, _STAGE, _CLASS = (_PREFIX + name for name in ("connector.name", "task.id", "stage", "class.name"))
_ERROR, _REASON, _TRACE = (_PREFIX + f"exception.{name}" for name in ("class.name", "message", "stacktrace"))
_KEY, _TIMESTAMP = "millrace.key", "millrace.timestamp"
UNKNOWN = "Unknown"
"""The error of a letter that somebody else has put there and that names none."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who refuses events: what Kafka Connect calls a connector and one of its tasks.

    Attributes:
        connector: the consumer group, or the service's intake.
        task: which of its processes, a number.
    """

    connector: str = "millrace"
    task: int = 0


def key_of(letter: Rejected) -> bytes:
    """The letter's own key: its position, as it may be kept a second time after a crash; else a random one."""
    if letter.offset == NO_POSITION:
        return uuid.uuid4().hex.encode()
    return f"{letter.topic}/{letter.partition}/{letter.offset}".encode()


def headers_of(letter: Rejected, origin: Origin) -> list[Header]:
    """The letter's headers. The stack trace has no frames: they are the same for all events that are refused alike."""
    reason, logged = letter.reason[:_LONGEST_REASON], letter.offset != NO_POSITION
    texts = {
        _TOPIC: letter.topic,
        _PARTITION: str(letter.partition),
        _OFFSET: str(letter.offset),
        _CONNECTOR: origin.connector,
        _TASK: str(origin.task),
        _STAGE: "VALUE_CONVERTER",
        _CLASS: "schemas.codec.Codec" if logged else "serving.intake.Intake",
        _ERROR: letter.error,
        _REASON: reason,
        _TRACE: f"{letter.error}: {reason}",
        _TIMESTAMP: str(letter.timestamp_ms),
    }
    own: list[Header] = [(name, text.encode("utf-8", "replace")) for name, text in texts.items()]
    if letter.key is not None:
        own.append((_KEY, letter.key))
    return [*letter.headers, *own]


def letter_of(message: Message, topic: str) -> Letter:
    """The letter that a message among the dead letters of `topic` is, whoever has put it there."""
    headers = headers_in(message)
    begin = max((place for place, (name, _) in enumerate(headers) if name == _TOPIC), default=len(headers))
    own = {name: value or b"" for name, value in headers[begin:]}
    texts = {name: value.decode("utf-8", "replace") for name, value in own.items() if name != _KEY}
    partition, offset = _whole(texts.get(_PARTITION)), _whole(texts.get(_OFFSET))
    placed = texts.get(_TOPIC) == topic and partition >= 0 and offset >= 0
    ours = _TIMESTAMP in own
    event = Rejected(
        topic=topic,
        partition=partition if placed else NO_POSITION,
        offset=offset if placed else NO_POSITION,
        timestamp_ms=_whole(texts.get(_TIMESTAMP)),
        key=own.get(_KEY) if ours else message.key(),  # Kafka Connect's own letters keep their key
        value=message.value(),
        error=texts.get(_ERROR, UNKNOWN),
        reason=texts.get(_REASON, "It does not say why it is here."),
        headers=tuple(headers[:begin]),
    )
    number, refused = message.offset(), message.timestamp()[1]
    return Letter(-1 if number is None else number, refused, event)


def headers_in(message: Message) -> tuple[Header, ...]:
    """A message's headers; none where a name is no UTF-8, which the client cannot read.

    It then returns a list with holes and leaves the exception behind, which may surface anywhere later, or end the
    process. `map` calls it in a way in which Python looks at once. The message keeps that list and would give it out
    without an exception the next time, so it is given another.
    """
    try:
        (found,) = map(Message.headers, (message,))
    except (SystemError, UnicodeDecodeError):
        message.set_headers([])
        return ()
    return tuple((str(name), value.encode() if isinstance(value, str) else value) for name, value in list(found or ()))


def _whole(text: str | None) -> int:
    """A number of a header; -1 where it is none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else NO_POSITION
