"""Where a spool's files are: a part of a folder that one process has to itself, by a lock that ends with it."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import struct
from pathlib import Path
from zlib import crc32

from serving.spool.segment import FIRST_LINE, Place

LOGGER = logging.getLogger("millrace.spool")

PARTS = 64
"""Processes that may share one folder."""
_HEAD = struct.Struct("<QQI")
_NAME = re.compile(r"(\d{12})\.spool")


class Folder:
    """The files of one part. All methods but `path` may raise OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mine = root / "0"
        self._lock: int | None = None

    def open(self) -> None:
        """Take the first part that nobody has, and what is left in others that nobody has any more."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(PARTS):
            self._mine = self._root / str(number)
            self._mine.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(self._mine)
            if self._lock is not None:
                self._adopt()
                return
        raise OSError(f"{PARTS} processes use {self._root} already")

    def path(self, number: int) -> Path:
        """The file of a segment."""
        return _path(self._mine, number)

    def segments(self) -> list[int]:
        """The numbers of those that are there, in order. Files of other names are nobody's business here."""
        return _segments(self._mine)

    def content(self, number: int, start: int = 0, end: int = -1) -> bytes:
        """A segment's bytes between two offsets; to its end where there is no second."""
        with open(self.path(number), "rb", buffering=0) as file:
            file.seek(start)
            return file.read(end - start if end >= 0 else -1)

    def create(self, number: int) -> int:
        """A new file, opened for writing, which only this user may read: decisions say who asked what."""
        return os.open(self.path(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def force(self) -> None:
        """Force the names of the files onto the disk."""
        for folder in (self._mine, self._root):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def remove(self, number: int) -> None:
        """Remove a segment; one that is gone is no error."""
        self.path(number).unlink(missing_ok=True)

    def set_aside(self, number: int) -> None:
        """Give a file that is no segment another name, so that it is in nobody's way."""
        path = self.path(number)
        path.rename(path.with_suffix(".foreign"))

    def head(self) -> Place:
        """The place that was remembered; the beginning where none was, or it cannot be read."""
        return _head(self._mine)

    def remember(self, place: Place) -> None:
        """Keep the place before which nothing is needed."""
        plain = _HEAD.pack(*place, 0)
        with open(self._mine / "head", "r+b" if (self._mine / "head").exists() else "wb", buffering=0) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(plain[:-4] + struct.pack("<I", crc32(plain[:-4])))

    @property
    def taken(self) -> bool:
        """Whether this process has its part."""
        return self._lock is not None

    def close(self) -> None:
        """Let another process have this part."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _adopt(self) -> None:
        """Move what a process has left whose part nobody has taken up: there may be fewer of them than there were."""
        for other in sorted(self._root.iterdir()):
            if other == self._mine or not other.name.isdigit():
                continue
            try:
                self._take(other)
            except OSError as error:  # it may be another user's
                LOGGER.warning("What is left in %s is not taken up: %s", other, error)

    def _take(self, other: Path) -> None:
        """Move the segments of a part that nobody has; does nothing where somebody has it."""
        lock = _locked(other) if _segments(other) else None
        if lock is None:
            return
        try:
            head = _head(other)
            for number in _segments(other):
                self._move(_path(other, number), head.offset if number == head.segment else 0, number < head.segment)
            (other / "head").unlink(missing_ok=True)
        finally:
            os.close(lock)

    def _move(self, path: Path, start: int, done: bool) -> None:
        """Make another part's segment the last of this one, without its records before `start`."""
        if done:
            path.unlink()
            return
        last = max([*self.segments(), self.head().segment])
        if start <= len(FIRST_LINE):
            path.rename(self.path(last + 1))
            return
        copy = self._mine / "adopted"
        copy.write_bytes(FIRST_LINE + path.read_bytes()[start:])
        copy.rename(self.path(last + 1))
        path.unlink()


def _locked(folder: Path) -> int | None:
    """A lock on the folder, for as long as the file is open; None if another process has it."""
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:012d}.spool"


def _segments(folder: Path) -> list[int]:
    return sorted(int(found[1]) for path in folder.iterdir() if (found := _NAME.fullmatch(path.name)))


def _head(folder: Path) -> Place:
    try:
        content = (folder / "head").read_bytes()
    except FileNotFoundError:
        return Place(0, 0)
    if len(content) != _HEAD.size:
        return Place(0, 0)
    segment, offset, checksum = _HEAD.unpack(content)
    return Place(segment, offset) if crc32(content[:-4]) == checksum else Place(0, 0)
