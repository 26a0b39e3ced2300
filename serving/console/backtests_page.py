"""What the Backtests page shows: which candidate was best on past events, and how that went as events came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from serving.backtests import Backtests
from serving.console.curve_chart import curve_chart, drawn_of, series_of
from serving.console.page import Page
from serving.measurements import Measurements
from serving.threads import Threads

Query = Mapping[str, str]
EVERY = 3.0
"""Seconds between two looks while somebody looks at the page."""


class BacktestsPage:
    """The page over the results that are kept, which changes nothing."""

    def __init__(self, backtests: Backtests) -> None:
        self._backtests, self._threads = backtests, Threads(1)
        self._results: Sequence[Mapping[str, Any]] = ()
        self._looked, self._unread = 0.0, ""
        self._looking: asyncio.Task[None] | None = None

    def page(self) -> Page:
        """For the console."""
        return Page("backtests", "Backtests", "backtests.html", self.context, prepare=self.prepare)

    def context(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """What was seen last; while somebody looks, it is looked for again."""
        now = time.monotonic()
        if self._looked and now - self._looked > EVERY and (self._looking is None or self._looking.done()):
            self._looked = now
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return self._shown(query)

    async def prepare(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """All results, and the one that is asked for (`backtest`)."""
        await self._look()
        self._looked = time.monotonic()
        return self._shown(query)

    async def _look(self) -> None:
        try:
            self._results, self._unread = await self._threads.run(self._backtests.results), ""
        except OSError as error:
            self._unread = f"The folder of results cannot be read: {error.strerror}."

    def _shown(self, query: Query) -> dict[str, Any]:
        wanted = query.get("backtest", "")
        chosen = next((item for item in self._results if item["name"] == wanted), None)
        candidates = chosen["candidates"] if chosen else ()
        return {
            "results": self._results,
            "chosen": chosen,
            "missing": wanted[:100] if wanted and chosen is None else "",
            "chart": curve_chart(candidates),
            "drawn": drawn_of(candidates),
            "measures": list(dict.fromkeys(name for item in candidates for name in item["figures"])),
            "series_of": series_of,
            "unread": self._unread,
        }
