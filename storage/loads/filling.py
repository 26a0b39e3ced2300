"""A version of a storage while it is loaded: declared, filled, and then ready, or erased."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage import versions
from storage.clock import now_ms
from storage.descriptor import Descriptor
from storage.errors import StorageConflict, StorageError
from storage.technology import Technology
from storage.writes import Writes

LOGGER = logging.getLogger("millrace.load")
BEAT = timedelta(seconds=5)
"""How often a load says that it goes on; see `retention.SILENCE`."""
_ATTEMPTS = 10


class Filling:
    """The next version of a storage. Only who declared it writes it, until somebody takes its load for dead.

    Its generation is a number that was never used before, so that a load that was taken for dead, and is not, cannot
    write into the rows of whoever has its version's number by then.

    Args:
        wanted: what the version is to be; its number, writer and times are set here.
        made_by: who loads it, for people.
    """

    def __init__(self, technology: Technology, wanted: Descriptor, made_by: str) -> None:
        self._technology = technology
        self.descriptor = replace(
            wanted,
            version=0,
            generation=secrets.randbits(52),
            topic="",
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            state="filling",
            made_by=made_by,
        )
        self._said = 0.0

    def begin(self) -> None:
        """Declare the next version that nobody has.

        Raises:
            StorageConflict: others take every next one.
            FormatRefused: the technology cannot hold it.
        """
        for _ in range(_ATTEMPTS):
            place = self.descriptor.place
            version = versions.next_version(self._technology, *place)
            writer = f"load_{'_'.join(place)}@{version}"
            self.descriptor = replace(self.descriptor, version=version, writer=writer, alive_ms=now_ms())
            self._said = time.monotonic()
            try:
                if self._technology.declare(self.descriptor) == self.descriptor:
                    return
            except StorageConflict:
                pass  # somebody has this version by now, as where another one came back
        raise StorageConflict(f"{self.descriptor.storage}: others take every next version; load it when they are done.")

    def fill(self, writes: Writes) -> None:
        """See `Technology.fill`."""
        self._technology.fill(self.descriptor, writes)

    def go_on(self) -> None:
        """Say so, where that is due. Raises StorageConflict if the load was taken for dead."""
        if time.monotonic() - self._said >= BEAT.total_seconds():
            self._become(replace(self.descriptor, alive_ms=now_ms()))
            self._said = time.monotonic()

    def end(self) -> Descriptor:
        """All is there: the version is ready. Raises StorageConflict if the load was taken for dead."""
        self._become(replace(self.descriptor, state="ready", alive_ms=None))
        return self.descriptor

    def abandon(self) -> None:
        """Erase what was filled: the rows first, which makes room where there is none for a mark. What cannot be erased
        now is said in the log, and is what a dead load leaves."""
        try:
            self._technology.erase(
                replace(self.descriptor, version=self.descriptor.generation)
            )  # only the rows are ours
            found = self._here()
            if found is not None and self._technology.alter(found, doomed := replace(found, state="deleting")):
                self._technology.erase(doomed)
        except StorageError as error:
            LOGGER.warning(
                "What was filled into %s is not erased: %s. `millrace storages collect` does it when that is mended.",
                self.descriptor.title,
                error,
            )

    def _become(self, wanted: Descriptor) -> None:
        if not self._technology.alter(self.descriptor, wanted) and self._here() != wanted:
            raise StorageConflict(
                f"{self.descriptor.title} was taken for dead, as its load said nothing for a while; load it again."
            )
        self.descriptor = wanted

    def _here(self) -> Descriptor | None:
        """The version in the catalogue, if it is this load's."""
        mine = self.descriptor.storage, self.descriptor.generation
        found = (item for item in self._technology.storages() if (item.storage, item.generation) == mine)
        return next(found, None)
