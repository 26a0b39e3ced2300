"""Decisions as the models service writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas import Decision, EventType
from schemas.datum import DatumReader
from serving.sender import OnDelivery

_READER = DatumReader(Decision.event_type.schema, Decision.event_type.schema)


def read_decision(body: bytes) -> dict[str, Any]:
    """The fields of a decision's Avro body, by the reader that reads any schema's."""
    found: dict[str, Any] = _READER.read(body)
    return found


class TakesOffers:
    """A sender of decisions for which each one that it is offered is one that it is to send."""

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        raise NotImplementedError

    def offer(self, event_type: EventType, body: bytes, key: bytes, on_delivery: OnDelivery) -> bool:
        value = read_decision(body)
        assert key == value["unit"].encode()
        self.send(event_type, value, on_delivery)
        return True

    async def acknowledge(self) -> None:
        """All are acknowledged at once, or by the test."""


def decided(id: str, unit: str, implementation: str, at: datetime, **others: Any) -> Decision:
    """A decision of the experiment `shelf`, half of whose units get this implementation; `others` are other fields."""
    usual: dict[str, Any] = {
        "endpoint": "recommend",
        "hash": "0",
        "experiment": "shelf",
        "variant": implementation,
        "propensity": 0.5,
        "request": "{}",
        "answer": "[]",
        "as_of": None,
        "latency_ms": 1.0,
    }
    return Decision(id=id, unit=unit, implementation=implementation, at=at, **{**usual, **others})
