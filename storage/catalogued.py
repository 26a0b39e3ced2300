"""What a technology says and changes of its storages' descriptors, names and leases, where one object keeps them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.listed import Damaged, EntryKind, Listed


class Keeper(Protocol):
    """One technology's catalogue. Each method does what the one of this name in `Technology` promises."""

    def listed(self) -> Listed:
        """What there is now."""

    def storages(self) -> list[Descriptor]: ...
    def aliases(self) -> dict[Name, Alias]: ...
    def discard(self, kind: EntryKind, entry: str) -> bool: ...
    def point(self, items: Sequence[Descriptor]) -> None: ...
    def switch(self, items: Sequence[Descriptor]) -> bool: ...
    def alter(self, before: Descriptor, wanted: Descriptor) -> bool: ...
    def leases(self) -> dict[str, int]: ...
    def release(self, titles: Collection[str]) -> None: ...


class Catalogued:
    """A technology whose catalogue is `_catalogue`, which whoever derives from it makes. See `Technology`."""

    _catalogue: Keeper

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self._catalogue.storages()

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return self._catalogue.aliases()

    def damaged(self) -> list[Damaged]:
        """See `Technology.damaged`."""
        return list(self._catalogue.listed().damaged)

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        return self._catalogue.discard(kind, entry)

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._catalogue.point(descriptors)

    def switch(self, descriptors: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        return self._catalogue.switch(descriptors)

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        return self._catalogue.alter(existing, wanted)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return self._catalogue.leases()

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        self._catalogue.release(titles)
