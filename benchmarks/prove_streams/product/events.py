"""What happens: eight fields, 41 bytes in Confluent's wire format."""

from __future__ import annotations

from datetime import datetime

import millrace as mr


class Play(mr.Event, topic="plays", key="user"):
    """A user has played a song."""

    user: str
    item: str
    device: str
    seconds: float
    place: int
    liked: bool
    at: datetime
    decision: str | None = None
