"""A data product as it is sent: its text files by their paths, as gzipped JSON.

There is nothing in it but names and texts: no link, no mode, no owner, no device, nothing to be run by who unpacks it.
A product's hash is that of its files, whatever packed them.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

import msgspec

from millrace.deployments.errors import DeploymentRefused

KINDS = frozenset(
    {".avsc", ".css", ".csv", ".html", ".js", ".json", ".lock", ".md", ".py", ".sql", ".svg", ".toml", ".txt"}
)
"""How names of files end that a product is made of. All are texts."""
PACKED = 2 * 1024 * 1024
"""Bytes that an archive may have as it is sent; a connection takes twice as much."""
UNPACKED = 16 * 1024 * 1024
"""Bytes that it may have unpacked."""
FILES = 500
"""Files in it at most."""
LONGEST, DEEPEST = 200, 8
"""Characters of a path, and folders inside each other."""
SHOWN = 12
"""Digits of a hash that people are shown."""

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


@dataclass(frozen=True)
class Archive:
    """A product's files: path, with `/`, -> text."""

    files: Mapping[str, str]

    @classmethod
    def of_bytes(cls, packed: bytes) -> Self:
        """Unpack what was sent. No more than `UNPACKED` bytes are ever held.

        Raises:
            DeploymentRefused: it is no archive, too large, or names what is no file of a product.
        """
        if len(packed) > PACKED:
            raise DeploymentRefused(f"The product has more than {PACKED:,} bytes packed; leave out what is data.")
        unpacking = zlib.decompressobj(wbits=31)  # gzip
        try:
            body = unpacking.decompress(packed, UNPACKED + 1)
        except zlib.error as error:
            raise DeploymentRefused(f"What was sent is not gzipped JSON ({error}); use millrace deploy.") from error
        if len(body) > UNPACKED or unpacking.unconsumed_tail:
            raise DeploymentRefused(f"The product has more than {UNPACKED:,} bytes unpacked; leave out what is data.")
        if not unpacking.eof or unpacking.unused_data:
            raise DeploymentRefused("What was sent is cut off, or goes on after its end; send it again.")
        try:
            files = msgspec.json.decode(body, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DeploymentRefused(f"What was sent is no JSON object of texts by paths: {error}.") from error
        return cls._checked(files)

    @classmethod
    def of_folder(cls, folder: Path) -> tuple[Self, list[str]]:
        """A product's folder, and the names of what is left out because it is of another kind.

        Raises:
            DeploymentRefused: a link, a file that is no UTF-8 text, or too much of something.
        """
        files, left_out = dict[str, str](), list[str]()
        for path in _regular(folder):
            name = path.relative_to(folder).as_posix()
            if path.suffix not in KINDS:
                left_out.append(name)
                continue
            try:
                files[name] = path.read_bytes().decode("utf-8")
            except UnicodeDecodeError as error:
                raise DeploymentRefused(f"{path} is no UTF-8 text ({error.reason}); save it as one.") from error
            if len(files) > FILES or sum(map(len, files.values())) > UNPACKED:
                break  # it is refused; there may be no end of it
        return cls._checked(files), left_out

    @classmethod
    def _checked(cls, files: Mapping[str, str]) -> Self:
        if not files:
            raise DeploymentRefused(f"There is no file of a product in it; they end in {', '.join(sorted(KINDS))}.")
        if len(files) > FILES:
            raise DeploymentRefused(f"The product has more than {FILES} files; leave out what is data.")
        for path in files:
            _must_be_inside(path)
        folded = [path.casefold() for path in files]
        if len(set(folded)) < len(folded):
            raise DeploymentRefused("Two files differ only in capitals, which not every disk tells apart; rename one.")
        folders = {path[:at] for path in folded for at, character in enumerate(path) if character == "/"}
        both = sorted(folders.intersection(folded))
        if both:
            raise DeploymentRefused(f"{both[0]} is a file and a folder too; rename one.")
        found = cls(dict(sorted(files.items())))
        if len(found.content) > UNPACKED:
            raise DeploymentRefused(f"The product has more than {UNPACKED:,} bytes unpacked; leave out what is data.")
        return found

    @cached_property
    def content(self) -> bytes:
        """The files as JSON, the same bytes for the same files."""
        return msgspec.json.encode(self.files, order="sorted")

    @cached_property
    def hash(self) -> str:
        """What names it: SHA-256 of its content, hexadecimal."""
        return sha256(self.content).hexdigest()

    def packed(self) -> bytes:
        """As it is sent and kept.

        Raises:
            DeploymentRefused: it is too large to be.
        """
        packed = gzip.compress(self.content, mtime=0)
        if len(packed) > PACKED:
            raise DeploymentRefused(f"The product has more than {PACKED:,} bytes packed; leave out what is data.")
        return packed

    def write(self, folder: Path) -> None:
        """Write the files into a folder that is made for them. Blocks until the disk has them."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())


def _regular(folder: Path) -> Iterator[Path]:
    """Files of a folder, in order, but for what is hidden or compiled."""
    if not folder.is_dir():
        raise DeploymentRefused(f"There is no folder {folder}; name the folder of a data product.")
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        for path in [Path(place, name) for name in [*folders, *sorted(names)] if not name.startswith(".")]:
            if path.is_symlink():
                raise DeploymentRefused(f"{path} is a link; a product is sent as files: copy what it points to.")
            if path.is_file():
                yield path


def _must_be_inside(path: str) -> None:
    parts = path.split("/")
    if len(path) > LONGEST or len(parts) > DEEPEST + 1:
        raise DeploymentRefused(f"The path {path[:80]!r}… is longer or deeper than a product's may be.")
    wrong = [part for part in parts if not _PART.fullmatch(part)]
    if wrong:
        raise DeploymentRefused(
            f"The path {path!r} cannot be a product's: its parts are made of letters, digits, _, - and ., and begin "
            "with no dot or hyphen."
        )
    if not path.endswith(tuple(KINDS)):
        raise DeploymentRefused(f"{path!r} is no kind of file that a product is made of: {', '.join(sorted(KINDS))}.")
