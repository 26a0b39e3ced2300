"""A reader likes a book."""

from __future__ import annotations

from datetime import datetime

import millrace as mr


class Like(mr.Event, topic="likes", key="user"):
    """A user likes an item."""

    user: str
    item: str
    at: datetime
