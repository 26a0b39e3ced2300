"""A session's end is the end of what is streamed to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serving.access.sessions import Session
from serving.body import Receive
from serving.problem import Send


@asynccontextmanager
async def until_over(
    session: Session, left: float, receive: Receive, send: Send
) -> AsyncIterator[tuple[Receive, Send]]:
    """A `receive` that says the client has left once the session is over, and a `send` whose answer is then complete.

    Args:
        left: seconds until the session ends by itself.
    """
    begun = complete = False

    async def receiving() -> dict[str, Any]:
        asked, over = asyncio.ensure_future(receive()), asyncio.ensure_future(session.ended.wait())
        try:
            done, _ = await asyncio.wait((asked, over), timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked in done else {"type": "http.disconnect"}
        finally:
            asked.cancel()
            over.cancel()

    async def sending(message: dict[str, Any]) -> None:
        nonlocal begun, complete
        begun = True
        complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        await send(message)

    yield receiving, sending
    if begun and not complete:
        await send({"type": "http.response.body", "body": b""})
