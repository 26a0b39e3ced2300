"""Reads of a version that no look has held yet: whoever is first has it held, and waits for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from storage.descriptor import Descriptor
from storage.technology import Reads


class Holding:
    """See `Reads`; for those of its methods that read rows.

    Args:
        hold: has a version held, and gives what it is read by; see `Section.hold`.
        fresh: past what is kept near; see `Reader`.
    """

    def __init__(self, hold: Callable[[Descriptor], Awaitable[Reads]], fresh: bool = False) -> None:
        self._hold, self._fresh = hold, fresh

    @property
    def fresh(self) -> Holding:
        """The same, past what is kept near."""
        return Holding(self._hold, fresh=True)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def ask(descriptor: Descriptor, *arguments: Any) -> Any:
            reads = await self._hold(descriptor)
            return await getattr(getattr(reads, "fresh", reads) if self._fresh else reads, name)(descriptor, *arguments)

        return ask
