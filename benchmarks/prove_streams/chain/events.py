"""Clicks come in; visits follow from them."""

from __future__ import annotations

from datetime import datetime

import millrace as mr


class Click(mr.Event, topic="chain_clicks", key="user"):
    """A visitor clicked on an item; the number says which event it is."""

    user: str
    item: str
    number: int
    at: datetime


class Visit(mr.Event, topic="chain_visits", key="item"):
    """What an item learns of a click, and the how many-th of its visitor it was."""

    item: str
    number: int
    nth: int
    at: datetime
