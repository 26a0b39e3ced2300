"""Keeps what is served up with the storages: those that appear, what their names stand for, how far they are."""

from __future__ import annotations

import asyncio
import logging

from serving.endpoints import Endpoints
from serving.lacking import Lacking
from serving.provenance import Provenance
from storage import Catalogue

LOGGER = logging.getLogger("millrace.service")
LOOK = 0.25
"""Seconds between two looks at the storages, and the longest that a look waits for a slow one."""


class Following:
    """For one event loop."""

    def __init__(self, catalogue: Catalogue, endpoints: Endpoints, provenance: Provenance, lacking: Lacking) -> None:
        self._catalogue, self._endpoints, self._provenance = catalogue, endpoints, provenance
        self._lacking = lacking

    async def look(self, patience: float) -> None:
        """Look once, and wait for slow storages so many seconds at most."""
        await self._catalogue.refresh(patience)
        self._endpoints.follow()
        self._lacking.say(self._endpoints.current.values())
        await self._catalogue.hold(patience)
        self._provenance.sample()

    async def run(self) -> None:
        """Look until cancelled; a technology that does not answer is told of in the log once."""
        away: dict[str, str] = {}
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look(LOOK)
                problems = {name: health.error for name, health in self._catalogue.health().items()}
            except Exception as error:  # it must not end what all answers depend on
                problems = {"The service": f"{type(error).__name__}: {error}"}
            new = {name: error for name, error in problems.items() if error is not None}
            for name in new.keys() - away.keys():
                LOGGER.warning("%s has a problem; answers go on as they can: %s", name.capitalize(), new[name])
            away = new
