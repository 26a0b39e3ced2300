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
        ├── DriverMissing           a technology's driver is not installed; names the extra that brings it
        ├── InsecureStore           a store's address is open to strangers; says how to guard it, or to allow it
        ├── FormatRefused           a format cannot be declared, or read, like this
        │   └── OptionRefused       an option of a storage that is to be created; `field` names it
        ├── FileRefused             a file that cannot be loaded; names row and column, what is there and what should be
        └── WriteRefused            a write that the format cannot take: a null key, a fraction in a counter, ...
            └── PutRefused          a put under another key than the topic's: the row would have two owners

What a worker does after each of them is decided in `learners.plan`.
"""

from __future__ import annotations

from schemas.errors import MillraceError


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
    """No storage answers to this name, or several do; the message lists what exists."""


class StorageConflict(StorageError):
    """The storage exists already under this version, with other options or by another writer."""


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


class FileRefused(StorageError):
    """A file that cannot be loaded; the message names row and column, what is there and what should be."""


class WriteRefused(StorageError):
    """A value that the format cannot hold; the message names the column or the row."""


class PutRefused(WriteRefused):
    """A put whose row could be written by several units, as it is not under the topic's key."""
