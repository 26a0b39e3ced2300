"""Learners that cannot begin with the others: those whose storages do not answer yet are asked again beside the folding
of the others, and those whose storages another program has damaged are left out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from learners.homes import Homes
from storage.errors import EntryDamaged, StorageUnavailable, SuspectGeneration

log = logging.getLogger(__name__)

_DAMAGED = (SuspectGeneration, EntryDamaged)
"""What another program has damaged: how far a learner is, or what its storages are."""


class Latecomers:
    """Declares their storages in a thread of its own, so that a technology that is away holds up no other learner.

    Attributes:
        failed: by name those that do not begin before a person has looked, each with why.
    """

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self._waiting: dict[str, tuple[Homes, Future[int] | None]] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="declare")

    def __len__(self) -> int:
        return len(self._waiting)

    def first(self, every: Sequence[Homes]) -> Iterator[tuple[Homes, int]]:
        """Declare what can be declared now, with the generation of the rows; the others wait, or have failed. Blocks.

        Raises:
            StorageConflict, FormatRefused, LearnerRefused: a learner cannot run as it is declared.
        """
        for homes in every:
            name = homes.declaration.name
            if name in self.failed:
                continue
            self._waiting.pop(name, None)  # it may be asked here again and again
            try:
                yield homes, homes.declare()
            except _DAMAGED as error:
                self._fail(name, error)
            except StorageUnavailable as error:
                log.warning("Learner %s waits for its storage: %s", name, error)
                self._waiting[name] = homes, None

    def arrived(self) -> list[tuple[Homes, int]]:
        """Those whose storages have answered since, each once; asks the others again. Does not block. Raises as
        `first` does."""
        found = []
        for name, (homes, asked) in list(self._waiting.items()):
            if asked is not None and not asked.done():
                continue
            if asked is None or isinstance(asked.exception(), StorageUnavailable):
                self._waiting[name] = homes, self._threads.submit(homes.declare)
                continue
            del self._waiting[name]
            try:
                found.append((homes, asked.result()))
            except _DAMAGED as error:
                self._fail(name, error)
        return found

    def close(self) -> None:
        """Ask no more; a question that is open is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fail(self, name: str, error: Exception) -> None:
        cure = " Raise its version once the cause is clear." if isinstance(error, SuspectGeneration) else ""
        self.failed[name] = f"{error}{cure}"
        log.error("Learner %s does not begin, and the others go on: %s", name, self.failed[name])
