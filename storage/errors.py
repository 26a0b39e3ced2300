"""What can go wrong in this room.

    MillraceError                   (schemas.errors: the root of every room's errors)
    └── StorageError
        ├── StorageUnavailable      it does not answer, or cannot take writes now; ask again later
        ├── UnknownOutcome          no answer to a request that may have been applied: send the identical one again
        ├── Fenced                  another owner has claimed the unit; drop all memory of it
        ├── Gap                     the unit's committed position is another one than expected; drop all memory of it
        ├── SuspectGeneration       rows are not what the protocol would have left; stop, find out why, rebuild
        ├── StorageMissing          no storage of this format and name, or more than one; lists what exists
        ├── StorageConflict         the same version exists with other options, or with another writer
        │   └── StorageBusy         the same version is being filled or deleted now
        ├── EntryDamaged            what says what a storage is cannot be read; any program may have written it
        ├── DriverMissing           a technology's driver is not installed; names the extra that brings it
        ├── InsecureStore           a store's address is open to strangers; says how to guard it, or to allow it
        ├── FormatRefused           a format cannot be declared, or read, like this
        │   ├── OptionRefused       an option of a storage that is to be created; `field` names it
        │   └── QuestionRefused     what is asked of it is not what it holds: a vector of another size
        ├── FileRefused             a file that cannot be loaded; names row and column, what is there and what should be
        └── WriteRefused            a write that the format cannot take: a null key, a fraction in a counter, ...
            └── PutRefused          a put under another key than the topic's: the row would have two owners

What a worker does after each of them is decided in `learners.plan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import MillraceError
from storage.address import Address


class StorageError(MillraceError):
    """Root of this room's errors."""


class StorageUnavailable(StorageError):
    """The storage does not answer, or refuses writes for now (out of memory, read-only replica, loading)."""


class UnknownOutcome(StorageError):
    """A time-out or a broken connection: the request may have been applied, may be applied later, or never."""


class Fenced(StorageError):
    """Another owner has claimed the unit since; nothing was read or written."""


class Gap(StorageError):
    """The unit stands at another position than the caller thinks; nothing was read or written."""


class SuspectGeneration(StorageError):
    """The rows of a generation are not to be trusted; the message says which row and what was found."""


class StorageMissing(StorageError):
    """No storage answers to this name, or several do; the message lists what exists. Or the version was removed at this
    moment."""


class StorageConflict(StorageError):
    """The storage exists already under this version, with other options or by another writer."""


class StorageBusy(StorageConflict):
    """The storage exists already under this version, and is being filled or deleted now."""

    passes = True


class EntryDamaged(StorageError):
    """A descriptor or an alias that cannot be read; the message says what is wrong with it."""


class InsecureStore(StorageError):
    """A store off this machine, without TLS or credentials; the message says how to guard it, or how to allow it."""


class FormatRefused(StorageError):
    """A declaration or a use that the format does not allow; the message says what to change."""


class DriverMissing(StorageError, ImportError):
    """A technology's driver is not installed; the message names the extra that brings it."""


class OptionRefused(FormatRefused):
    """What a storage is to be created with cannot be.

    Attributes:
        field: which part of it: "half_life".
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class QuestionRefused(FormatRefused):
    """A storage is asked with a value that is none of its kind; the message says how it should be."""


class FileRefused(StorageError):
    """A file that cannot be loaded; the message names row and column, what is there and what should be."""


class WriteRefused(StorageError):
    """A value that the format cannot hold; the message names the column or the row."""


class PutRefused(WriteRefused):
    """A put whose row could be written by several units, as it is not under the topic's key."""


@contextmanager
def harmless() -> Iterator[None]:
    """For what may be repeated at will: whether it was applied does not matter."""
    try:
        yield
    except UnknownOutcome as error:
        raise StorageUnavailable(str(error)) from error


@contextmanager
def as_text() -> Iterator[None]:
    """Raise WriteRefused where a text cannot be written in UTF-8."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise WriteRefused(f"A key, field or member is no text that UTF-8 can write: {error.object!r}.") from error


def repeated(address: Address, item: str | None = None) -> WriteRefused:
    """The error for what is loaded twice."""
    what = "" if item is None else f" with {item!r}"
    return WriteRefused(f"{address.storage} has the key {address.key!r}{what} already; a load writes each once.")
