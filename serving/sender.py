"""What the service sends events by that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from schemas import EventType

OnDelivery = Callable[[Exception | None, int, int], None]
"""Called with the error or None, the partition and the offset, on a thread of the sender's own or the loop of
`acknowledge`: it must not block."""


class Sender(Protocol):
    """Sends events to Kafka (streams.Producer)."""

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        """Send one. It may block: when the sender's own queue is full, and for the first event of a type."""


class QuickSender(Sender, Protocol):
    """One that can be asked not to block."""

    def offer(self, event_type: EventType, body: bytes, key: bytes, on_delivery: OnDelivery) -> bool:
        """Send one whose Avro body is given, if that can be done without blocking; else False, and nothing is sent."""

    async def acknowledge(self) -> None:
        """Call `on_delivery` on this event loop, as acknowledgements come, until it is cancelled."""
