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


class Reader:
    """Base of all readers; `Catalogue.reader` makes them. A method may raise StorageUnavailable or StorageMissing.

    Args:
        locate: says which version the name stands for now; asked at every read.
        record: the class of the rows, for records.

    Attributes:
        format: what it can read, as in a storage's title.
    """

    format: ClassVar[str]

    def __init__(self, locate: Callable[[], Located], record: type[Record] | None = None) -> None:
        locate()
        self._locate = locate
