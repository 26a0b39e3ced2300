"""How far learners have come in event time, and how many events were late, for people: `millrace status`."""

from __future__ import annotations

import asyncio
from typing import Any

from millrace.platform import Platform
from millrace.settings import Settings
from storage.clock import moment
from storage.event_times import UnitTime, event_times

PATIENCE = 2.0
"""Seconds for which a storage may take to say."""


def learners_times(settings: Settings) -> list[dict[str, Any]]:
    """One row for each learner that says what is late: see `rows`. Blocks; what a storage does not tell is left out."""
    return asyncio.run(_read(settings))


def rows(times: list[UnitTime]) -> list[dict[str, Any]]:
    """Of each learner the oldest watermark of its units, behind which none of them is, and the late events of all."""
    found: dict[tuple[str, str], list[UnitTime]] = {}
    for time in times:
        found.setdefault((f"{time.unit.learner}@{time.unit.version}", time.unit.topic), []).append(time)
    return [
        {
            "learner": learner,
            "topic": topic,
            "watermark": moment(min((one.watermark_ms for one in mine if one.watermark_ms is not None), default=None)),
            "late": sum(one.late for one in mine),
        }
        for (learner, topic), mine in sorted(found.items())
    ]


async def _read(settings: Settings) -> list[dict[str, Any]]:
    async with Platform(settings).catalogue() as catalogue:
        await catalogue.refresh(PATIENCE)
        return rows(await event_times(catalogue))
