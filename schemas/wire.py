"""Confluent's wire format: a zero byte, the schema's id as four bytes (big-endian), the Avro body."""

from __future__ import annotations

from struct import Struct, error

from schemas.errors import MalformedEvent

_HEADER = Struct(">bI")
HEADER_SIZE = _HEADER.size
LARGEST_ID = 2**31 - 1


def frame(schema_id: int, body: bytes) -> bytes:
    """Put the header before an Avro body."""
    return _HEADER.pack(0, schema_id) + body


def schema_id_of(payload: bytes) -> int:
    """The id of the schema that a payload was written with.

    Raises:
        MalformedEvent: it does not begin with the header.
    """
    try:
        magic, schema_id = _HEADER.unpack_from(payload)
    except error:
        raise MalformedEvent(f"{len(payload)} bytes are too few for an event: its header alone has five.") from None
    if magic != 0:
        raise MalformedEvent(f"The first byte is {payload[0]:#04x}, not the zero byte of the wire format.")
    if schema_id > LARGEST_ID:
        raise MalformedEvent(f"{schema_id} is no schema id: ids have 31 bits.")
    return int(schema_id)
