"""What the Schemas page shows: subjects, the fields of one and who reads each, its versions and what they changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from schemas.errors import MillraceError
from serving.console.notes import away
from serving.console.page import Page
from serving.measurements import Measurements
from serving.registered import Registered
from serving.threads import Threads

Query = Mapping[str, str]
PATIENCE = 10.0
"""Seconds that the page waits for the registry and for Kafka."""
NOTHING: Mapping[str, Any] = {
    "subjects": (),
    "chosen": None,
    "history": (),
    "level": "",
    "unread": "",
    "missing": "",
    "texts": {},
    "silent": frozenset(),
}


class SchemasPage:
    """The page over what is registered, which changes nothing."""

    def __init__(self, registered: Registered) -> None:
        self._registered, self._threads = registered, Threads(2)

    def page(self) -> Page:
        """For the console."""
        return Page("schemas", "Schemas", "schemas.html", self.context, prepare=self.prepare)

    def context(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """What is measured: whether Kafka is away, and which topics have had no event yet."""
        flow = measurements.flow()
        silent = frozenset(topic.name for topic in flow.topics if topic.taken == 0) if flow else frozenset()
        return {**NOTHING, "note": None if flow is None else away(flow, {"kafka"}), "silent": silent}

    async def prepare(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """Every subject, and the one that is asked for (`subject`)."""
        found: dict[str, Any] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                await self._read(query.get("subject", ""), found)
        except TimeoutError:
            found["unread"] = f"The registry has not given all of it within {PATIENCE:g} s."
        except MillraceError as error:
            found["unread"] = str(error)
        return found

    async def _read(self, wanted: str, found: dict[str, Any]) -> None:
        subjects = await self._threads.run(self._registered.subjects)
        found["subjects"] = subjects
        chosen = next((item for item in subjects if item.name == wanted), None)
        if chosen is None:
            found["missing"] = wanted[:300]
            return
        found["history"] = await self._threads.run(partial(self._registered.history, wanted))
        found["level"] = await self._threads.run(partial(self._registered.level, wanted))
        found["texts"] = {item.version.version: _pretty(item.version.schema) for item in found["history"]}
        found["chosen"] = chosen


def _pretty(schema: str) -> str:
    """A schema as people read it; as it is where it is no JSON."""
    try:
        return json.dumps(json.loads(schema), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return schema
