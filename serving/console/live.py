"""The one stream of a page: its live parts as HTML, at most once a second, only those that changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from serving.console.page import Page
from serving.console.shell import Shell

SILENCE = 5.0
"""Seconds without a sample after which the stream says that it is still there."""


async def stream(shell: Shell, page: Page, query: Mapping[str, str], base: str) -> AsyncGenerator[str, None]:
    """Server-sent events: first every part, then after each sample those that differ from what was sent before.

    An event's name is the part's, its data the part's HTML. It ends when the client leaves or the service stops.
    """
    sent: dict[str, str] = {}
    at: float | None = None
    while not shell.measurements.ended:
        if await shell.measurements.newer(at, SILENCE):
            at = shell.measurements.at
            for name, html in shell.parts(page, query, base):
                if sent.get(name) != html:
                    sent[name] = html
                    yield event(name, html)
                await asyncio.sleep(0)  # answers go first: a page is many milliseconds, a part few
        else:
            yield ": no new sample\n\n"


def event(name: str, html: str) -> str:
    """One server-sent event; a line break in the HTML begins a new data line."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
