"""What one technology said of itself when it last answered; the catalogue is made of these.

A version is leased before it is read, and looked at once more after that. A collector marks what it removes, and looks
at the leases then: so either it finds the lease and takes the mark back, or the second look finds the mark. What that
look still shows stays for as long as it is leased.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import StorageError, StorageMissing, StorageUnavailable
from storage.holding import Holding
from storage.listed import Damaged
from storage.technology import Reads
from storage.unit import UnitState

LOGGER = logging.getLogger("millrace.storage")
PAUSE = 0.5
"""Seconds from a question that failed to the next one, for those who ask again and again: connecting costs."""
LATE = 2.5
"""Seconds after which a question that is still open counts as not answered."""
LEASED = 60.0
"""Seconds that a lease lasts: a reader that is held up, or a storage that is away for a moment, loses none."""
RENEWED, TRIES = 20.0, 3
"""Seconds between two leases of the same versions, and how often one is tried at once."""

Versions = Mapping[str, Descriptor]
"""By title."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a technology answers.

    Attributes:
        answered: when it last did, in seconds since 1970; None = never.
        milliseconds: how long that took.
        error: what came of the newest question, in one line; None = an answer.
    """

    answered: float | None = None
    milliseconds: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a technology said at one moment: its storages, what their names stand for, how far each one's units are, and
    what of all this cannot be read."""

    descriptors: Sequence[Descriptor]
    aliases: Mapping[Name, Alias]
    states: Mapping[str, list[UnitState]]
    damaged: Sequence[Damaged] = ()


NOTHING = Said([], {}, {})


class Section:
    """Asks one technology, and keeps what it said last: one that is away or slow holds up no other.

    Args:
        open: gives its reading side; asked each time, so that it may fail now and not later.
        changed: called when storages, what their names stand for, or what is held are other ones than before.
        followed: by its name and what it says now, the versions that readers will read, which are to be held first.

    Attributes:
        said: its newest answer, with descriptors that are the same objects as long as they are equal.
        holding: reads of a version that is not held yet.
        wanted: whether somebody has begun to follow one since the last look.
    """

    def __init__(
        self,
        name: str,
        open: Callable[[], Reads],
        changed: Callable[[], None],
        followed: Callable[[str, Said], dict[str, Descriptor]],
    ) -> None:
        self.name, self._open, self._changed, self._followed = name, open, changed, followed
        self.said = NOTHING
        self.reads: Reads | None = None
        self.holding, self.wanted = cast(Reads, Holding(self.hold)), False
        self._held: Versions = {}
        self._asked: dict[str, Descriptor] = {}
        self._due = self._until = float("-inf")
        self._refused = False
        self._health = Health()
        self._asking: asyncio.Task[None] | None = None
        self._began = 0.0

    async def refresh(self, patience: float | None) -> None:
        """Wait for an answer to a question that is asked from now on, at most so many seconds; None = until it is
        there. There is one question at a time; an answer that comes later counts when it comes."""
        failed = self._asking is not None and self._asking.done() and self._health.error is not None
        if failed and patience is not None and time.monotonic() - self._began < PAUSE:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                if self._asking is not None:
                    await asyncio.wait([self._asking])
                if self._asking is None or self._asking.done():
                    self._began = time.monotonic()
                    self._asking = asyncio.create_task(self._ask())
                await asyncio.wait([self._asking])

    def holds(self, item: Descriptor) -> bool:
        """Whether a version was leased, and seen since: its rows are there."""
        return self._held.get(item.title) == item

    async def hold(self, item: Descriptor) -> Reads:
        """What a version is read by, once it is held; until the next look, if nobody follows it.

        Raises:
            StorageMissing: it was removed; whoever asks again is told what its name stands for now.
            StorageUnavailable: nobody can tell now.
        """
        if not self.holds(item):
            self._asked[item.title] = item
            await self.refresh(None)
        if self.reads is not None and self.holds(item):
            return self.reads
        if self._health.error is not None:
            raise unavailable(self.name, self._health)
        raise StorageMissing(f"{item.title} was removed a moment ago; ask again.")

    @property
    def health(self) -> Health:
        """How it answers now."""
        waited = time.monotonic() - self._began
        if self._asking is None or self._asking.done() or waited < LATE:
            return self._health
        return replace(self._health, error=self._health.error or f"no answer for {waited:.0f} s")

    async def _ask(self) -> None:
        began, self.wanted = time.monotonic(), False
        try:
            self.reads = self._open()
            said, held = await self._secured(self.reads, await self._answer(self.reads))
        except Exception as error:
            self._health = replace(self._health, error=_line(error))
            return
        self._health = Health(time.time(), (time.monotonic() - began) * 1000)
        before, self.said = (replace(self.said, states={}), self._held), said
        self._held = held
        if before != (replace(said, states={}), held):
            self._changed()

    async def _secured(self, reads: Reads, said: Said) -> tuple[Said, Versions]:
        """The newest answer, and the versions in it that are followed, or asked for: each was leased before that was
        asked for. Raises what refuses the leases of new ones while older ones last: those stay in use."""
        leased = self._held if time.monotonic() < max(self._due, self._until) else {}
        asked, self._asked = self._asked, {}
        while True:
            wanted = self._followed(self.name, said)
            if asked:
                wanted |= {item.title: item for item in said.descriptors if asked.get(item.title) == item}
            is_new = any(leased.get(title) != item for title, item in wanted.items())
            if is_new or (wanted and time.monotonic() >= self._due):
                refused = await self._lease(reads, wanted)
                if refused is not None and is_new and time.monotonic() < self._until:
                    raise refused
            if not is_new:
                return said, wanted
            leased = wanted
            said = await self._answer(reads)

    async def _lease(self, reads: Reads, versions: Versions) -> Exception | None:
        """Say that these are read; returns why that is refused. Who may only read reads all the same, and is told."""
        refused: Exception | None = None
        for _ in range(TRIES):
            now = time.monotonic()
            self._due = now + RENEWED
            try:
                await reads.lease(versions.keys(), round((time.time() + LEASED) * 1000))
            except Exception as error:
                refused = error
            else:
                self._until = now + LEASED
                return None
        if refused is not None and not self._refused:
            LOGGER.warning("%s does not keep what is read here from being collected: %s", self.name, _line(refused))
        self._refused = True
        return refused

    async def _answer(self, reads: Reads) -> Said:
        listed = await reads.listed()
        known = {item.title: item for item in self.said.descriptors}
        named = [replace(item, technology=self.name) for item in listed.sorted()]
        kept = [known[item.title] if known.get(item.title) == item else item for item in named]
        states, damaged = await _states(reads, kept)
        return Said(kept, listed.aliases, states, [*listed.damaged, *damaged])


async def _states(reads: Reads, descriptors: Sequence[Descriptor]) -> tuple[dict[str, list[UnitState]], list[Damaged]]:
    """By title, and those of which nobody can tell; one question per writer."""
    writers = {(item.writer, item.generation, item.topic): item for item in descriptors if item.topic}
    found = await asyncio.gather(*(_units(reads, item) for item in writers.values()))
    by_writer = dict(zip(writers, found, strict=True))
    states: dict[str, list[UnitState]] = {}
    damaged: list[Damaged] = []
    for item in descriptors:
        units = by_writer.get((item.writer, item.generation, item.topic), [])
        if isinstance(units, str):
            damaged.append(Damaged("units", item.entry, units))
            units = []
        states[item.title] = units
    return states, damaged


async def _units(reads: Reads, item: Descriptor) -> list[UnitState] | str:
    """How far the units of a writer are, or why that cannot be read: any program may have written there, and what is
    wrong with one learner's fences hides no other's storages."""
    try:
        return await reads.units(item)
    except StorageUnavailable:
        raise
    except Exception as error:
        return _line(error)


def _line(error: Exception) -> str:
    known = isinstance(error, StorageError)
    return str(error) if known else f"{type(error).__name__}: {error}".rstrip(": ")


def unavailable(name: str, health: Health) -> StorageUnavailable:
    """The error for who needs a technology that does not answer."""
    return StorageUnavailable(f"{name} does not answer: {health.error or 'it was not asked yet'}")
