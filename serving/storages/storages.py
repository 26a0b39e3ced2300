"""Storages as the service's users look at them and change them: the work behind their addresses and the console.

What blocks runs in threads, some for each technology: one that answers late holds up nobody else. Rows are browsed on
an event loop of their own, and so through connections of their own: a long one holds up no live request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from serving.problem import Lasting, Problem
from serving.storages.side_loop import SideLoop
from serving.threads import Threads
from storage import (
    Alias,
    Catalogue,
    Descriptor,
    FormatRefused,
    OptionRefused,
    StorageConflict,
    StorageError,
    StorageMissing,
    StorageUnavailable,
    SuspectGeneration,
    Technology,
    browsing,
    versions,
)
from storage.formats.blank import blank
from storage.naming import Place, instead, place
from storage.retention import Present

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds that a change may take before whoever asked is told that its outcome is not known."""
GLANCE = 2.0
"""Seconds that something which is only nice to know is waited for."""


class Storages:
    """Every method may raise Problem, which says to the user what is wrong.

    Args:
        technologies: the writing sides by name; none is opened before it is needed.
        changed: awaited after each change, so that whoever looks next sees it.
    """

    def __init__(
        self, catalogue: Catalogue, technologies: Mapping[str, Technology], changed: Callable[[], Awaitable[None]]
    ) -> None:
        self.catalogue, self._technologies, self._changed = catalogue, technologies, changed
        self._threads = {name: Threads(2) for name in technologies}
        self._browsing = SideLoop("millrace-browsing")

    @property
    def technologies(self) -> Sequence[str]:
        """Names of those that storages can be created in."""
        return tuple(self._technologies)

    def versions(self, where: Place) -> list[Descriptor]:
        """All versions of a storage, oldest first; 404 if there is none."""
        found = [item for item in self.catalogue.storages() if (item.technology, *item.place) == where.whole]
        if not found:
            raise _missing(f"There is no storage {where.storage}; {self._known(where.storage)}")
        return found

    def version(self, where: Place) -> Descriptor:
        """The version that was named, or else the one that readers get; 404 if there is none."""
        every = self.versions(where)
        alias = self.catalogue.alias(every[0])
        wanted = where.version or (alias.version if alias is not None else every[-1].version)
        for item in every:
            if item.version == wanted:
                return item
        there = ", ".join(f"@{item.version}" for item in every)
        raise _missing(f"{where.storage} has no version @{wanted}; it has {there}.")

    async def row(self, item: Descriptor, key: str, size: int) -> Any:
        """A row's value as JSON knows it; None if there is none."""
        asked = browsing.row(self.catalogue.reads(item.technology), item, key, size)
        return await _answer(self._browsing.run(asked), PATIENCE)

    def away(self, item: Descriptor) -> str:
        """Why its technology does not answer now; empty if it does."""
        error = self.catalogue.health()[item.technology].error
        return "" if error is None else f"{item.technology} does not answer: {error}"

    async def keys(self, item: Descriptor, size: int) -> list[str]:
        """Some keys that have rows; none where they cannot be told now."""
        try:
            asked = browsing.keys(self.catalogue.reads(item.technology), item, size)
            return sorted(await _answer(self._browsing.run(asked), GLANCE))
        except (Problem, StorageError):
            return []

    async def create(
        self,
        technology: str,
        format: str,
        name: str,
        options: Mapping[str, Any],
        schema: Any,
        made_by: str,
        spelled: Callable[[str], str] = str,
    ) -> Descriptor:
        """Make a storage, empty; see `versions.create`, and `blank` for `spelled`."""
        self._must_be_set_up(technology)
        item = _checked(partial(blank, technology, format, name, options, schema, spelled))
        return await self._change(technology, lambda it: versions.create(it, item, made_by))

    async def switch(self, where: Place, version: int) -> Alias:
        """Let the name stand for a version; see `versions.switch`."""
        self.versions(where)
        return await self._change(where.technology, lambda it: versions.switch(it, where.format, where.name, version))

    async def rollback(self, where: Place) -> Alias:
        """Let the name stand for what it stood for before; see `versions.rollback`."""
        self.versions(where)
        return await self._change(where.technology, lambda it: versions.rollback(it, where.format, where.name))

    async def delete(self, where: Place, force: bool) -> int:
        """Remove a storage, or one version of it; returns how many versions are gone. See `versions.delete`, and
        `versions.discard` for what is removed by force."""
        entry = where.title.partition("/")[2]
        if force and await self._change(where.technology, lambda it: versions.discard(it, entry)):
            return 1
        self.version(where)
        return await self._change(
            where.technology, lambda it: versions.delete(it, where.format, where.name, where.version, force)
        )

    async def present(self, technology: str) -> Present | None:
        """What a technology knows of who reads and writes; None if it cannot tell now."""
        try:
            return await self._run(technology, versions.present, GLANCE) if technology in self._technologies else None
        except Problem:
            return None

    async def close(self) -> None:
        """Let go of the connections that rows were browsed through."""
        opened = [self.catalogue.reads(name) for name, one in self.catalogue.health().items() if one.answered]
        await self._browsing.close(reads.close() for reads in opened)

    def _must_be_set_up(self, technology: str) -> None:
        if technology not in self._technologies:
            known = ", ".join(self._technologies) or "none"
            raise Problem(
                404,
                "unknown-technology",
                f"No technology {technology!r} is set up here; set up are {known}.",
                field="technology",
                known=list(self._technologies),
            )

    def _known(self, wanted: str) -> str:
        return instead(wanted, {f"{item.technology}/{item.storage}" for item in self.catalogue.storages()})

    async def _change(self, technology: str, change: Callable[[Technology], T]) -> T:
        self._must_be_set_up(technology)
        try:
            return await self._run(technology, change, PATIENCE)
        finally:
            await self._changed()

    async def _run(self, technology: str, change: Callable[[Technology], T], patience: float) -> T:
        threads = self._threads[technology]
        return await _answer(threads.run(lambda: change(self._opened(technology))), patience)

    def _opened(self, technology: str) -> Technology:
        try:
            return self._technologies[technology]
        except FormatRefused as error:  # of its address: nothing is wrong with what was asked
            raise StorageUnavailable(str(error)) from error


def parsed(text: str) -> Place:
    """A storage's place from its name in full; 404 if the text is none."""
    return _checked(partial(place, text))


def _checked(made: Callable[[], T]) -> T:
    try:
        return made()
    except StorageError as error:
        raise problem(error) from error


async def _answer(asked: Awaitable[T], patience: float) -> T:
    try:
        async with asyncio.timeout(patience):
            return await asked
    except TimeoutError as error:
        text = f"The storage has not answered within {patience:.0f} s; what was asked for may still happen."
        raise Problem(503, "storage-late", text) from error
    except StorageError as error:
        raise problem(error) from error


def problem(error: StorageError) -> Problem:
    """What the client is told of it."""
    if isinstance(error, StorageMissing):
        return _missing(str(error))
    if isinstance(error, StorageConflict):
        return Problem(409, "storage-conflict", str(error))
    if isinstance(error, OptionRefused):
        return Problem(422, "storage-refused", str(error), field=error.field)
    if isinstance(error, FormatRefused):
        return Problem(422, "storage-refused", str(error))
    if isinstance(error, SuspectGeneration):
        return Lasting(503, "storage-damaged", str(error))
    return Problem(503, "storage-unavailable", str(error))


def _missing(text: str) -> Problem:
    return Problem(404, "unknown-storage", text)
