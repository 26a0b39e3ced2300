"""Who decides where the partitions of a consumer are read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Partition = tuple[str, int]


class Owner(Protocol):
    """Keeps the positions of the partitions that a consumer is given; called from within `Consumer.poll`.

    Each method may be called for partitions it has not heard of, or twice. `revoked` and `lost` must write nothing:
    when a partition is lost, another owner has had it for a while.
    """

    def assigned(self, partitions: list[Partition]) -> Mapping[Partition, int | None]:
        """Take ownership. May block; nothing is read meanwhile.

        Returns:
            for each of `partitions` the offset to read on from; None for the beginning of its log. When this raises,
            the poll does so too, and the next poll asks again.
        """
        ...

    def revoked(self, partitions: list[Partition]) -> None:
        """Drop what is in memory for these partitions: they go to another member. The list is never empty."""
        ...

    def lost(self, partitions: list[Partition]) -> None:
        """As `revoked`, when the group gave them to another member without this one's doing."""
        ...
