"""What rewards an answer."""

from __future__ import annotations

from datetime import datetime

import millrace as mr


class Chosen(mr.Event, topic="chosen", key="user"):
    """A viewer has chosen what was recommended."""

    user: str
    at: datetime
    decision: str | None = None
