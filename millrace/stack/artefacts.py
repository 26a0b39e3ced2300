"""The programs of the local stack: fetched once from Maven artefacts, checked against pinned checksums, and kept.

A set of artefacts is one folder of the cache. It is filled beside its place and moved there when every file is
right, so a folder that exists is whole, and an interrupted fetch leaves nothing that a later run would take for one.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psutil

from millrace.stack.errors import StackError

_PARTIAL = ".fetching-"


@dataclass(frozen=True)
class Artefact:
    """One jar by its Maven coordinates (`group:artefact:version`), with what it must be."""

    coordinates: str
    sha256: str
    size: int
    """In bytes."""

    @property
    def file(self) -> str:
        _, artefact, version = self.coordinates.split(":")
        return f"{artefact}-{version}.jar"

    @property
    def path(self) -> str:
        """Its path below the root of a Maven repository."""
        group, artefact, version = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{artefact}/{version}/{self.file}"

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
    def size(self) -> int:
        return sum(file.size for file in self.files)


def pinned(title: str, name: str) -> Artefacts:
    """The artefacts of a checksum file in `pins/`. Its folder carries the file's own digest: new pins, new folder."""
    text = files("millrace.stack").joinpath("pins", f"{name}.txt").read_text("utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Artefacts(title, f"{name}-{digest}", tuple(Artefact(where, sha, int(size)) for sha, size, where in rows))


KAFKA = pinned("Kafka 4.1.1", "kafka-4.1.1")
REDIS = pinned("Redis 6.2", "redis-6.2")


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
def filling(place: Path, needed: int, purpose: str) -> Iterator[Path]:
    """A new folder that becomes `place` at the end of the block, or vanishes when the block fails.

    Raises:
        StackError: the disk is full, or the folder cannot be written.
    """
    remedy = ", or put the cache elsewhere with MILLRACE_HOME"
    check_space(place, needed, purpose, remedy)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(place.parent)
        partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{os.getpid()}-", dir=place.parent))
        try:
            yield partial
            _move(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StackError(
                f"The disk of {place.parent} is full; {purpose} needs {needed >> 20} MiB: free some space{remedy}."
            ) from error
        raise StackError(f"{place.parent} cannot be written ({error}); correct that{remedy}.") from error


def _move(partial: Path, place: Path) -> None:
    partial.chmod(0o755)
    try:
        partial.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was faster; its folder is as right as ours
            raise


def _remove_abandoned(folder: Path) -> None:
    """Delete what fetches left that were killed; one that still runs has its process id in the folder's name."""
    for partial in folder.glob(f"{_PARTIAL}*"):
        owner = partial.name.removeprefix(_PARTIAL).split("-")[0]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            shutil.rmtree(partial, ignore_errors=True)
