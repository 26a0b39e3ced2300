"""The agent: what it knows of a user is a row of a table, which says up to which click."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import millrace as mr

from .events import Click, Session

GAP = timedelta(minutes=30)
"""A click that comes later than this after the one before begins a session."""

app = mr.faust_app("site_sessions", consumer_group_instance_id=os.environ.get("MEMBER"))
clicks, sessions = app.events(Click), app.events(Session)
open_sessions = app.Table("open")


@app.agent(clicks)
async def sessionize(stream: Any) -> None:
    """Send a user's session when the next one begins."""
    async for event in stream.events():
        click, partition, offset = event.value, event.message.partition, event.message.offset
        row = open_sessions.get(click.user)
        if row is not None and offset <= row["offset"]:
            continue  # read again after a crash: the row holds it already
        if row is None or click.at - _time(row["ended"]) > GAP:
            if row is not None:
                await (await sessions.send(value=_session(click.user, row)))  # Kafka has it before the row forgets it
            row = {"id": f"{click.user}/{partition}/{offset}", "begun": _ms(click.at), "clicks": 0}
        open_sessions[click.user] = row | {"ended": _ms(click.at), "clicks": row["clicks"] + 1, "offset": offset}


def _session(user: str, row: dict[str, Any]) -> Session:
    return Session(row["id"], user, _time(row["begun"]), _time(row["ended"]), row["clicks"])


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
