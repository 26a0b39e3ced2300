"""What producers and live services need of Millrace, and nothing else: `import millrace_client as mr`.

`Client` asks endpoint types and rewards decisions; `Producer` emits the events that `Event` declares.
"""

from __future__ import annotations

from millrace.settings import Settings
from millrace_client.endpoint_type import EndpointType
from millrace_client.producer import Producer
from schemas.errors import MalformedEvent, MillraceError, SchemaError
from schemas.event import Event
from schemas.record import Record
from serving.answer import Answer
from serving.client import Client
from serving.errors import AnswerMalformed, AnswerRefused, ServiceUnreachable
from streams.errors import DeliveryFailed

__all__ = [
    "Answer",
    "AnswerMalformed",
    "AnswerRefused",
    "Client",
    "DeliveryFailed",
    "EndpointType",
    "Event",
    "MalformedEvent",
    "MillraceError",
    "Producer",
    "Record",
    "SchemaError",
    "ServiceUnreachable",
    "Settings",
]
