"""A disk of one's own, which can be filled up: a file system in memory, which only root may mount, on Linux."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from millrace.stack import StackError


class NoDisk(StackError):
    """A disk of our own cannot be mounted here; the message says why."""


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory."""

    folder: Path

    def fill(self) -> None:
        """Leave no byte."""
        with self._balloon.open("ab", buffering=0) as file, suppress(OSError):  # the server may take the last bytes
            while (free := os.statvfs(self.folder)).f_bavail:
                file.write(bytes(min(free.f_bavail * free.f_frsize, 1 << 20)))

    def make_room(self) -> None:
        """Take away what `fill` has put there."""
        self._balloon.unlink()

    @property
    def _balloon(self) -> Path:
        return self.folder / "balloon"


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[SmallDisk]:
    """A disk of so many MiB at a folder, while the block runs.

    Raises:
        NoDisk: it cannot be mounted.
    """
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0777", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoDisk("There is no mount here, to make a small disk with.") from error
    if done.returncode != 0:
        raise NoDisk(f"A small disk cannot be mounted: {done.stderr.strip()}.")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
