"""Tells everybody which endpoint types this service answers from which storages, so that a change of a schema can be
said to break them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from schemas.errors import MillraceError
from schemas.readers import Readers, Reading
from serving.measurements.endpoints import EndpointFacts
from serving.threads import Threads

LOGGER = logging.getLogger("millrace.service")
LOOK = 2.0
"""Seconds between two looks."""


class Telling:
    """For one event loop.

    Args:
        service: the name that all replicas of this service have.
    """

    def __init__(self, readers: Readers, service: str) -> None:
        self._readers, self._service = readers, service
        self._threads = Threads(1)

    async def run(self, facts: Callable[[], Sequence[EndpointFacts]]) -> None:
        """Tell what is new in the facts, until cancelled; while Kafka is away it is tried again."""
        told: list[Reading] | None = None
        said = False
        while True:
            now = readings(facts())
            if now != told:
                try:
                    await self._threads.run(partial(self._readers.serve, self._service, now))
                    told, said = now, False
                except MillraceError as error:
                    if not said:
                        LOGGER.warning("Who reads which storage is not told to others yet: %s", error)
                    said = True
            await asyncio.sleep(LOOK)


def readings(facts: Sequence[EndpointFacts]) -> list[Reading]:
    """Who reads which storages; these without their versions."""
    return [
        Reading(
            endpoint.name, item.name, tuple(dict.fromkeys(title.rpartition("@")[0] for title in sorted(item.reads)))
        )
        for endpoint in facts
        for item in endpoint.implementations
    ]
