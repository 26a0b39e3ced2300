"""What one technology said of itself when it last answered; the catalogue is made of these."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import StorageError, StorageUnavailable
from storage.listed import Damaged
from storage.technology import Reads
from storage.unit import UnitState

PAUSE = 0.5
"""Seconds from a question that failed to the next one, for those who ask again and again: connecting costs."""
LATE = 2.5
"""Seconds after which a question that is still open counts as not answered."""


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
        changed: called when storages or what their names stand for are other ones than before.

    Attributes:
        said: its newest answer, with descriptors that are the same objects as long as they are equal.
    """

    def __init__(self, name: str, open: Callable[[], Reads], changed: Callable[[], None]) -> None:
        self.name, self._open, self._changed = name, open, changed
        self.said = NOTHING
        self.reads: Reads | None = None
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

    @property
    def health(self) -> Health:
        """How it answers now."""
        waited = time.monotonic() - self._began
        if self._asking is None or self._asking.done() or waited < LATE:
            return self._health
        return replace(self._health, error=self._health.error or f"no answer for {waited:.0f} s")

    async def _ask(self) -> None:
        began = time.monotonic()
        try:
            self.reads = self._open()
            said = await self._answer(self.reads)
        except Exception as error:
            self._health = replace(self._health, error=_line(error))
            return
        self._health = Health(time.time(), (time.monotonic() - began) * 1000)
        before, self.said = self.said, said
        if replace(before, states={}) != replace(said, states={}):
            self._changed()

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
