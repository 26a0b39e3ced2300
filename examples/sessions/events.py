"""Clicks come in, sessions go out."""

from __future__ import annotations

from datetime import datetime

import millrace as mr


class Click(mr.Event, topic="site_clicks", key="user"):
    """A user opened a page."""

    user: str
    page: str
    at: datetime


class Session(mr.Event, topic="site_sessions", key="user", id="id"):
    """A user's clicks without half an hour between two of them. Its id is the user and where its first click stands in
    the log, so that a session which is sent twice has one id."""

    id: str
    user: str
    begun: datetime
    ended: datetime
    clicks: int
