"""The file that holds the keys: read as a whole or not at all, and replaced in one step."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from serving.access.keys import MOST_KEYS, Key, parsed_rate
from serving.errors import KeyRefused, KeysBroken
from serving.whole_file import put

LIMIT = 1024 * 1024
"""Bytes of the file."""

Signature = tuple[int, int, int, int]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[Key]


class KeyFile:
    """The keys in one file, which may not be there. Its methods block, briefly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def signature(self) -> Signature | None:
        """Differs once the file is another one; None where there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0, 0, 0)  # reading it says what is wrong
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode

    def read(self) -> Sequence[Key] | None:
        """The keys; None where there is no file.

        Raises:
            KeysBroken: it cannot be read, or somebody else could have written it; the message says what to do.
        """
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(LIMIT + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._broken(f"{error.strerror}") from error
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise self._broken(f"others may write it (mode {stat.filemode(mode)}); chmod 600 {self.path}")
        if len(text) > LIMIT:
            raise self._broken(f"it is longer than {LIMIT:,} bytes")
        return self._checked(text)

    @contextmanager
    def edited(self) -> Iterator[list[Key]]:
        """The keys to change in place; written when the block ends without an error. One process at a time may.

        Raises:
            KeysBroken: the file cannot be read or written.
        """
        with self._locked():
            keys = list(self.read() or ())
            yield keys
            if len(keys) > MOST_KEYS:
                raise KeyRefused(f"{self.path} holds {MOST_KEYS:,} keys at most; revoke some: millrace keys revoke")
            try:
                put(self.path, msgspec.json.format(msgspec.json.encode(_Document(keys)), indent=2) + b"\n", 0o600)
            except OSError as error:
                raise self._broken(f"it cannot be written: {error.strerror}") from error

    def _checked(self, text: bytes) -> list[Key]:
        try:
            keys = msgspec.json.decode(text, type=_Document).keys
            for key in keys:
                if key.rate is not None:
                    parsed_rate(key.rate)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyRefused) as error:
            raise self._broken(str(error).rstrip(".")) from error
        for what, found in (("id", [key.id for key in keys]), ("name", [key.name for key in keys])):
            if len(set(found)) < len(found):
                raise self._broken(f"two keys have the same {what}")
        if len(keys) > MOST_KEYS:
            raise self._broken(f"it holds more than {MOST_KEYS:,} keys")
        return keys

    @contextmanager
    def _locked(self) -> Iterator[None]:
        beside = self.path.with_name(f".{self.path.name}.lock")
        try:
            beside.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._broken(f"its folder cannot be written: {error.strerror}") from error
        try:
            with suppress(ModuleNotFoundError):  # Windows has no such lock; there one edits at a time
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _broken(self, why: str) -> KeysBroken:
        return KeysBroken(
            f"The keys in {self.path} cannot be used: {why}. Put the file right, or move it away and make new keys: "
            "millrace keys create NAME --scope SCOPE."
        )
