"""The programs of the local stack: Maven artefacts with pinned checksums, kept in a cache of this user.

A file gets its name in the cache only when its checksum is right, so a file that is there is whole. An interrupted
fetch goes on with those that are missing.

The cache is `MILLRACE_HOME`, or `millrace` in the user's cache folder. `MILLRACE_MAVEN_MIRROR` names another Maven
repository to fetch from; a file that the local one (`~/.m2`) has is copied from there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from millrace.stack.errors import StackError

_PARTIAL = ".fetching-"
_ABANDONED = 3600.0  # seconds since the last byte of a partial file, after which nobody writes it any more
_ELSEWHERE = ", or put the cache elsewhere with MILLRACE_HOME"


@dataclass(frozen=True)
class Artefact:
    """One file by its Maven coordinates (`group:artefact:version`, then `:zip` if it is no jar and `:all` if it has a
    classifier), and what it must be.

    Attributes:
        size: in bytes.
        folder: where it belongs below the folder of those that are fetched with it.
    """

    coordinates: str
    sha256: str
    size: int
    folder: str = ""

    @property
    def name(self) -> str:
        _, artefact, version, *rest = self.coordinates.split(":")
        packaging, *classifier = rest or ["jar"]
        return f"{'-'.join([artefact, version, *classifier])}.{packaging}"

    @property
    def file(self) -> str:
        """Where it is below the folder of those that are fetched with it."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    @property
    def path(self) -> str:
        """Its path below the root of a Maven repository."""
        group, artefact, version, *_ = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{artefact}/{version}/{self.name}"

    def is_in(self, file: Path) -> bool:
        """Whether the file has exactly this artefact's bytes."""
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256


@dataclass(frozen=True)
class Artefacts:
    """What is fetched together: its title for people, its folder in the cache, its files."""

    title: str
    folder: str
    files: tuple[Artefact, ...]

    @property
    def place(self) -> Path:
        """The folder that holds the files, or will."""
        return cache() / self.folder

    @property
    def size(self) -> int:
        """In bytes, of all files."""
        return sum(file.size for file in self.files)

    def missing(self) -> list[Artefact]:
        """The files that are not in their place. The size tells: a checksum was right when a file got its name."""
        return [file for file in self.files if not _has_size(self.place / file.file, file.size)]


def pinned(title: str, pins: Traversable) -> Artefacts:
    """The artefacts of a checksum file. Their folder carries the file's own digest: new pins, new folder."""
    text = pins.read_text("utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    artefacts = (Artefact(where, sha, int(size), *folder) for sha, size, where, *folder in rows)
    return Artefacts(title, f"{pins.name.removesuffix('.txt')}-{digest}", tuple(artefacts))


_PINS = files("millrace.stack").joinpath("pins")
KAFKA = pinned("Kafka 4.1.1", _PINS.joinpath("kafka-4.1.1.txt"))
REDIS = pinned("Redis 6.2", _PINS.joinpath("redis-6.2.txt"))
CASSANDRA = pinned("Cassandra 5.0.5", _PINS.joinpath("cassandra-5.0.5.txt"))
OPENSEARCH = pinned("OpenSearch 3.6.0", _PINS.joinpath("opensearch-3.6.0.txt"))


def cache() -> Path:
    """The folder that artefacts are kept in, shared by all platforms of this user."""
    if own := os.environ.get("MILLRACE_HOME"):
        return Path(own).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "millrace"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millrace"


def check_space(folder: Path, needed: int, purpose: str, remedy: str) -> None:
    """Raise `StackError` unless `needed` bytes are free where `folder` is, or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        required = -(-needed >> 20)
        raise StackError(
            f"Only {free >> 20} MiB are free at {place} and {purpose} needs {required}; free some{remedy}."
        )


@contextmanager
def filling(folder: Path, needed: int, purpose: str) -> Iterator[None]:
    """Make the folder for a block that writes `needed` bytes into it; files that were left halfway are removed.

    Raises:
        StackError: the disk is full, or the folder cannot be written.
    """
    try:
        check_space(folder, needed, purpose, _ELSEWHERE)
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StackError(
                f"The disk of {folder} is full; {purpose} needs {-(-needed >> 20)} MiB: free some space{_ELSEWHERE}."
            ) from error
        reason = error.strerror or error
        raise StackError(f"{folder} cannot be written ({reason}); correct that{_ELSEWHERE}.") from error


@contextmanager
def keeping(file: Path) -> Iterator[Path]:
    """A new file beside `file` that takes its name at the end of the block, or vanishes when the block fails."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=file.parent)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).chmod(0o755)
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    for partial in folder.rglob(f"{_PARTIAL}*"):
        with suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > _ABANDONED:
                partial.unlink()


def _has_size(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except (FileNotFoundError, NotADirectoryError):
        return False
