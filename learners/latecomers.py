"""Learners whose storages do not answer yet: they are asked again beside the folding of the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from learners.homes import Homes
from storage.errors import StorageUnavailable

log = logging.getLogger(__name__)


class Latecomers:
    """Declares their storages in a thread of its own, so that a technology that is away holds up no other learner."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Homes, Future[int] | None]] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="declare")

    def __len__(self) -> int:
        return len(self._waiting)

    def first(self, every: Sequence[Homes]) -> Iterator[tuple[Homes, int]]:
        """Declare what can be declared now, with the generation of the rows; the others wait. Blocks.

        Raises:
            StorageConflict, FormatRefused, LearnerRefused: a learner cannot run as it is declared.
        """
        for homes in every:
            try:
                yield homes, homes.declare()
            except StorageUnavailable as error:
                name = homes.declaration.name
                log.warning("Learner %s waits for its storage: %s", name, error)
                self._waiting[name] = homes, None

    def arrived(self) -> list[tuple[Homes, int]]:
        """Those whose storages have answered since, each once; asks the others again. Does not block. Raises as
        `first` does."""
        found = []
        for name, (homes, asked) in list(self._waiting.items()):
            if asked is not None and not asked.done():
                continue
            if asked is not None and not isinstance(asked.exception(), StorageUnavailable):
                found.append((homes, asked.result()))
                del self._waiting[name]
            else:
                self._waiting[name] = homes, self._threads.submit(homes.declare)
        return found

    def close(self) -> None:
        """Ask no more; a question that is open is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
