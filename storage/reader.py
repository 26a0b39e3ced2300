"""What an implementation is given: one storage, read by its format's rules, whatever the technology."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from schemas import Record
from storage.descriptor import Descriptor
from storage.technology import Reads


class Located(NamedTuple):
    """A version of a storage, and where it is read."""

    reads: Reads
    descriptor: Descriptor


class Kept(NamedTuple):
    """What one technology's reads keep near, where they do: parts of rows that were there when they were asked for, and
    that were not, and the bytes that it takes now."""

    hits: int
    misses: int
    size: int


class Reader:
    """Base of all readers; `Catalogue.reader` makes them. A method may raise StorageUnavailable or StorageMissing.

    A row may be up to 80 ms older than what is in the storage now. Who cannot have that says `fresh=True`, and is given
    what the storage itself says.

    Args:
        locate: says which version the name stands for now; asked at every read.
        record: the class of the rows, for records.

    Attributes:
        format: what it can read, as in a storage's title.
    """

    format: ClassVar[str]

    def _located(self, fresh: bool) -> Located:
        """Where to read now; `fresh` = past what is kept near, where the technology keeps anything."""
        found = self._locate()
        return Located(getattr(found.reads, "fresh", found.reads), found.descriptor) if fresh else found

    def __init__(self, locate: Callable[[], Located], record: type[Record] | None = None) -> None:
        locate()
        self._locate = locate
