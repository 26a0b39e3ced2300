"""Event types: their Avro schemas, how they become bytes and columns, and the registry that keeps them.

May import no other room. Start reading at `event_type.py` (what an event type is), then `codec.py` (bytes and back),
`columnar.py` and `skim.py` (its guards) and `registry.py`.
"""

from typing import TYPE_CHECKING, Any

from schemas.audit import Audit
from schemas.codec import BadPayload, Codec, Decoded, SchemaSource
from schemas.decision import Decision
from schemas.decision_id import DecisionId
from schemas.errors import (
    IncompatibleSchema,
    MalformedEvent,
    MillraceError,
    RegistryUnavailable,
    SchemaError,
    UnknownSchema,
    UnreadableEvent,
)
from schemas.event import Event
from schemas.event_type import EventType, load
from schemas.json_event import parse_json
from schemas.record import Record
from schemas.record_bytes import decode_record, encode_record
from schemas.record_log import MemoryRecordLog, RecordLog
from schemas.registry import Registry
from schemas.registry_client import RegistryClient
from schemas.unit_group import GROUPS, group_of
from schemas.version import Version

if TYPE_CHECKING:
    from schemas.registry_http import registry_app

__all__ = [
    "GROUPS",
    "Audit",
    "BadPayload",
    "Codec",
    "Decision",
    "DecisionId",
    "Decoded",
    "Event",
    "EventType",
    "IncompatibleSchema",
    "MalformedEvent",
    "MemoryRecordLog",
    "MillraceError",
    "Record",
    "RecordLog",
    "Registry",
    "RegistryClient",
    "RegistryUnavailable",
    "SchemaError",
    "SchemaSource",
    "UnknownSchema",
    "UnreadableEvent",
    "Version",
    "decode_record",
    "encode_record",
    "group_of",
    "load",
    "parse_json",
    "registry_app",
]


def __getattr__(name: str) -> Any:
    """`registry_app` is imported when it is asked for: only the registry's own process needs Starlette."""
    if name == "registry_app":
        from schemas.registry_http import registry_app

        return registry_app
    raise AttributeError(f"schemas has no name {name!r}")
