"""Shadows: implementations that answer copies of live requests, after the answer is sent; nobody gets what they say.

A copy is asked when its request has its answer, so that it delays none. Of each shadow at most `AT_ONCE` are under way,
and further ones are passed over; plain functions run in threads of their own; failures count against the shadow alone.
What a shadow says is logged beside the decision whose request was copied, and compared with the answer that was given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from typing import Any

from schemas import DecisionId
from schemas.exposition import head
from serving.assignment import takes_part
from serving.decisions.entry import Entry
from serving.decisions.log import DecisionLog
from serving.endpoint import Endpoint, Live, Shadow
from serving.problem import Problem
from serving.provenance import Provenance
from serving.shadow_comparison import Comparison, Copied

LOGGER = logging.getLogger("millrace.answers")
AT_ONCE = 8
"""Copies that one shadow is asked at once, at most."""
OUT = "out-of-rotation"
"""Why a shadow that keeps failing was not asked; that is counted, and not logged."""
NOTHING = b"null"
"""Logged as the answer where a shadow gave none."""

Ask = Callable[[Endpoint, Live, Any, float, bool], Awaitable[bytes | Problem]]
"""Asks an implementation, within so many seconds; whether it may be passed over while it keeps failing."""


class Shadowing:
    """For one event loop.

    Attributes:
        comparisons: by shadow, each that was asked since this process began.
    """

    def __init__(self, ask: Ask, provenance: Provenance, log: DecisionLog) -> None:
        self._ask, self._provenance, self._log = ask, provenance, log
        self._under_way: set[asyncio.Task[None]] = set()
        self.comparisons: dict[str, Comparison] = {}

    def copy(self, endpoint: Endpoint, copied: Copied) -> None:
        """Ask the endpoint type's shadows that have this unit. Waits for nothing."""
        for shadow in endpoint.shadows:
            if copied.by == shadow.live.implementation.name or not takes_part(shadow.layer, copied.unit, shadow.ranges):
                continue
            comparison = self.comparisons.setdefault(shadow.name, Comparison())
            if comparison.under_way >= AT_ONCE:
                comparison.skipped += 1
                continue
            comparison.under_way += 1
            task = asyncio.create_task(self._compared(endpoint, shadow, copied, comparison))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def text(self) -> str:
        """The counts in Prometheus' text format."""
        return "".join(line + "\n" for line in self._lines())

    async def _compared(self, endpoint: Endpoint, shadow: Shadow, copied: Copied, comparison: Comparison) -> None:
        try:
            await self._asked(endpoint, shadow, copied, comparison)
        except Exception:  # whatever it is, it concerns nobody who asked
            LOGGER.exception("A copy for the shadow %s failed.", shadow.name)
        finally:
            comparison.under_way -= 1

    async def _asked(self, endpoint: Endpoint, shadow: Shadow, copied: Copied, comparison: Comparison) -> None:
        began = perf_counter()
        as_of = self._provenance.of(shadow.live.reads)
        request = endpoint.request(copied.body)  # its own: whoever answered may have changed the first one
        answer = await self._ask(endpoint, shadow.live, request, endpoint.deadline, True)
        seconds = perf_counter() - began
        comparison.take(copied, answer, seconds)
        who = shadow.live.implementation
        about = (DecisionId.new(), endpoint.type.title, who.name, who.hash, copied.unit, 1.0, copied.body)
        if isinstance(answer, bytes):
            self._log.put(Entry(*about, answer, as_of.at, seconds * 1000, shadow_of=copied.decision))
        elif answer.kind != OUT:
            failed = (who.name, answer.kind, copied.decision)
            self._log.put(Entry(*about, NOTHING, as_of.at, seconds * 1000, *failed))

    def _lines(self) -> Iterator[str]:
        name = "millrace_shadow_answers_total"
        yield from head(name, "counter", "Copies of requests, by what became of them.")
        for shadow, found in self.comparisons.items():
            outcomes = {"same": found.same, "different": found.different, "skipped": found.skipped, **found.failed}
            for outcome, count in outcomes.items():
                yield f'{name}{{shadow="{shadow}",outcome="{outcome}"}} {count}'
