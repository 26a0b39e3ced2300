"""Tells admission how busy the service is: this thread, or those that plain functions run in."""

from __future__ import annotations

import asyncio

from serving.endpoints import Endpoints
from serving.implementation import THREADS
from serving.overload.admission import Admission
from serving.overload.busyness import Busyness

TICK = 0.05
"""Seconds between two looks."""
BUSY = 0.9
"""Part of the time with work from which on a tick counts as busy: the rest is what measuring misses."""


async def admitting(admission: Admission, endpoints: Endpoints) -> None:
    """Look until cancelled, on the thread of the event loop that answers."""
    busyness = Busyness()
    while True:
        await asyncio.sleep(TICK)
        seconds, part = busyness.since()
        busy = part >= BUSY or THREADS.waiting > 0
        deadlines = {title: endpoint.deadline for title, endpoint in endpoints.current.items()}
        admission.tick(seconds, busy, deadlines)
