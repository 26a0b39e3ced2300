"""Deployed products on this machine's disk: each version unpacked once, with its packages beside it.

    NAME/HASH/NAME/       a version's files; the last folder is what is imported
    NAME/HASH/checked     it passed its check here
    own-packages/HASH/    packages, by what pins them: versions and products that pin the same share them
    current.json          what was deployed when this machine last heard, so that it starts without Kafka

A folder is made under another name and renamed when it is whole: one that is there is whole, whoever was killed.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from millrace.deployments import packages
from millrace.deployments.archive import Archive
from millrace.deployments.loading import OnDisk
from serving.whole_file import put

DIGITS = 16
"""Digits of a hash that name a folder."""
STALE = 3600.0
"""Seconds after which nobody works any more at a folder that never became whole, or is of no version that is kept."""
_PARTIAL = ".partial-"


class Shelf:
    """Any thread, and several processes, may use one folder. Calls block."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def has(self, name: str, hash: str) -> bool:
        """Whether this version is here."""
        return self._version(name, hash).is_dir()

    def folder(self, name: str, hash: str) -> Path:
        """Where a version's files are."""
        return self._version(name, hash) / name

    def put(self, name: str, archive: Archive) -> None:
        """Unpack a version, unless it is here."""
        self._made(self._version(name, archive.hash), lambda folder: archive.write(folder / name))

    def drop(self, name: str, hash: str) -> None:
        """Forget a version that was not taken."""
        shutil.rmtree(self._version(name, hash), ignore_errors=True)

    def place(self, name: str, hash: str, others: Iterable[tuple[str, Path]] = ()) -> OnDisk:
        """Where a version is, with its packages installed.

        Args:
            others: further products that are to be in one process with it: name, and folder of packages.

        Raises:
            DeploymentRefused: its packages do not fit, or cannot be installed.
        """
        folder = self.folder(name, hash)
        lock = folder / packages.LOCK
        if not lock.exists():
            return OnDisk(folder)
        theirs: dict[str, tuple[str, str]] = {}
        for other, place in others:
            theirs.update(packages.versions(f"the product {other}", place))
        pins = packages.pins(lock.read_text("utf-8"))
        missing = packages.missing(pins, packages.versions("Millrace's environment"), theirs)
        return OnDisk(folder, self._packages(missing) if missing else None)

    def is_checked(self, name: str, hash: str) -> bool:
        """Whether this version passed its check on this machine."""
        return (self._version(name, hash) / "checked").exists()

    def checked(self, name: str, hash: str) -> None:
        """It did."""
        (self._version(name, hash) / "checked").touch()

    def remember(self, current: Mapping[str, bytes]) -> None:
        """Keep what is deployed, as rows by name. Raises OSError."""
        put(self._root / "current.json", json.dumps({name: row.decode() for name, row in current.items()}).encode())

    def remembered(self) -> dict[str, bytes]:
        """What was kept; nothing if nothing was.

        Raises:
            ValueError, OSError: the file cannot be read.
        """
        try:
            found = json.loads((self._root / "current.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return {name: row.encode() for name, row in found.items()}

    def tidy(self, kept: Mapping[str, Iterable[str]]) -> None:
        """Remove versions that are not kept any more, and what somebody who was killed has left."""
        for folder in self._root.glob("*/*"):
            name = folder.parent.name
            gone = name in kept and folder.name not in {hash[:DIGITS] for hash in kept[name]}
            with suppress(OSError):
                if (gone or folder.name.startswith(_PARTIAL)) and time.time() - folder.stat().st_mtime > STALE:
                    shutil.rmtree(folder, ignore_errors=True)

    def _version(self, name: str, hash: str) -> Path:
        return self._root / name / hash[:DIGITS]

    def _packages(self, missing: Sequence[packages.Pin]) -> Path:
        named = sha256("\n".join(pin.line for pin in missing).encode()).hexdigest()
        folder = self._root / "own-packages" / named[:DIGITS]
        self._made(folder, lambda partial: packages.install(missing, partial))
        return folder

    def _made(self, folder: Path, make: Callable[[Path], None]) -> None:
        """Make a folder as a whole or not at all, unless it is there."""
        if folder.is_dir():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.parent / f"{_PARTIAL}{uuid.uuid4().hex}"
        partial.mkdir()
        try:
            make(partial)
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else somebody else was quicker
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
