"""Removes old versions of storages by rule, beside a worker's folding."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from threading import Event, Thread

from millrace.platform import Platform
from millrace.settings import Settings
from schemas.errors import MillraceError
from storage import Descriptor
from storage.retention import Retention, removable
from storage.versions import collect, present, trim
from storage.watch import Watch

LOGGER = logging.getLogger("millrace.collector")
PATIENCE = 3.0
EVERY = 60.0
"""Seconds between two collections."""


def retention_of(settings: Settings) -> Retention:
    """The rule that the settings give."""
    return Retention(settings.keep_versions, timedelta(hours=settings.keep_hours))


def collected(
    platform: Platform,
    rule: Retention,
    dry_run: bool = False,
    trimmed: dict[str, int] | None = None,
    watches: Mapping[str, Watch] | None = None,
) -> tuple[list[Descriptor], list[str]]:
    """Collect in each technology that holds anything, and trim its rankings, whatever becomes of the others. Blocks.

    Args:
        trimmed: what earlier calls have trimmed, and this one adds to; see `versions.trim`.
        watches: by technology, of whoever collects again and again.

    Returns:
        what is gone, or would go, and one sentence for each technology that failed.
    """
    names, problems = asyncio.run(_holding(platform))
    gone: list[Descriptor] = []
    for name in names:
        try:
            technology, watch = platform.technologies[name], None if watches is None else watches[name]
            if dry_run:
                gone += removable(present(technology, watch), rule)
            else:
                gone += collect(technology, rule, watch)
                trim(technology, {} if trimmed is None else trimmed)
        except MillraceError as error:
            problems.append(f"{name}: {error}")
        except Exception as error:  # of what another program has written there
            problems.append(f"{name}: {type(error).__name__}: {error}")
    return gone, problems


async def _holding(platform: Platform) -> tuple[list[str], list[str]]:
    """Which technologies hold a storage, and one sentence for each that does not answer."""
    async with platform.catalogue() as catalogue:
        await catalogue.refresh()
        problems = [f"{name}: {health.error}" for name, health in catalogue.health().items() if health.error]
        return sorted({item.technology for item in catalogue.storages()}), problems


class Collector:
    """Collects about once a minute in a thread of its own until it is told to stop; a failure waits for the next turn.

    Several may run at once, as each worker has one.
    """

    def __init__(self, platform: Platform, every: float = EVERY) -> None:
        self._platform, self._every = platform, every
        self._rule = retention_of(platform.settings)
        self._trimmed: dict[str, int] = {}
        self._watches: dict[str, Watch] = defaultdict(Watch)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="millrace-collector", daemon=True)

    def start(self) -> None:
        """Begin; the first collection comes when the first span has passed."""
        self._thread.start()

    def close(self) -> None:
        """Begin no further collection, and wait a few seconds for one that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        said: list[str] = []
        while not self._stop.wait(self._every):
            try:
                gone, problems = collected(self._platform, self._rule, trimmed=self._trimmed, watches=self._watches)
            except Exception as error:  # the next turn may do better
                gone, problems = [], [f"{type(error).__name__}: {error}"]
            for item in gone:
                LOGGER.info("%s has been removed: its name has stood for a newer version for long.", item.title)
            for problem in problems:
                if problem not in said:
                    LOGGER.warning("Old versions are not collected now: %s", problem)
            said = problems
