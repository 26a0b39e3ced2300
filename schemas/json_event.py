"""Events as JSON: what the HTTP intake accepts, checked field by field against the Avro schema."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.errors import MalformedEvent
from schemas.event_type import EventType
from schemas.json_reader import NotSo
from schemas.json_value import kind_of, read_json


def parse_json(event_type: EventType, data: bytes) -> dict[str, Any]:
    """One event from JSON.

    Times are ISO 8601 with a time zone, or integers in the schema's unit since 1970; bytes are text of code points up
    to 255, as in Avro's own JSON; optional fields may be null or left out. Fields that the schema lacks are refused.

    Raises:
        MalformedEvent: it is no JSON or does not fit the schema; the message and `field` name the field.
    """
    if event_type.json_reader is not None:
        try:
            return event_type.json_reader(data)
        except NotSo:
            pass  # what follows says why, or takes it after all
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedEvent(f"This is not JSON: {error}.") from error
    except RecursionError:
        raise MalformedEvent("This JSON is nested too deeply.") from None
    if not isinstance(value, dict):
        raise MalformedEvent(f"An event of {event_type.topic} is a JSON object, not {kind_of(value)}.")
    return read_json(value, event_type.shape, "")  # type: ignore[no-any-return]
