"""A product's own packages: what its `requirements.lock` pins and the service has not, installed in a folder beside it.

The service's own environment is only read. A package that it has in another version is a conflict: one process holds
one version of a module, and the service's stays.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from millrace.deployments import child
from millrace.deployments.errors import DeploymentConflict, DeploymentRefused

LOCK = "requirements.lock"
"""The file of a product that pins its packages, each with its hashes: `uv pip compile --generate-hashes`."""
PATIENCE = 180.0
"""Seconds that installing may take."""
PACKAGES = 100
"""Packages that a product may bring."""
Versions = Mapping[str, tuple[str, str]]
"""Package -> its version, and who has it."""

_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_PIP = ["install", "--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--quiet", "--no-deps"]
_PIP += ["--require-hashes", "--only-binary", ":all:", "--no-compile", "--retries", "2"]


@dataclass(frozen=True)
class Pin:
    """One package of a lock: its name as packages are compared, its version, and its line with all hashes."""

    name: str
    version: str
    line: str


def pins(lock: str) -> list[Pin]:
    """What a lock pins for this interpreter and system.

    Raises:
        DeploymentRefused: a line is no pinned package with hashes.
    """
    found = []
    for line in _lines(lock):
        text, *hashes = re.split(r"\s+(?=--)", line)
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise DeploymentRefused(f"{LOCK} has the line {line[:100]!r}, which is no pinned package.") from error
        versions = [item.version for item in wanted.specifier if item.operator == "==" and "*" not in item.version]
        if wanted.url or len(versions) != 1 or len(wanted.specifier) != 1:
            raise DeploymentRefused(f"{LOCK} does not pin {wanted.name}; write name==version, as a lock does.")
        if not hashes or not all(_HASH.fullmatch(item) for item in hashes):
            raise DeploymentRefused(
                f"{LOCK} has no SHA-256 hash for {wanted.name}; make it with: uv pip compile --generate-hashes."
            )
        if wanted.marker is None or wanted.marker.evaluate():
            line = f"{wanted.name}=={versions[0]} {' '.join(hashes)}"
            found.append(Pin(canonicalize_name(wanted.name), versions[0], line))
    return found


def missing(wanted: Sequence[Pin], service: Versions, others: Versions) -> list[Pin]:
    """What of a lock is to be installed: what the service has not. What other products have they may take away.

    Raises:
        DeploymentConflict: somebody has it in another version; every one is named, with both versions.
    """
    conflicts = [
        f"{LOCK} pins {pin.name} {pin.version}, and {who} has {version}: one process holds one version; pin {version}, "
        "or do without it."
        for pin in wanted
        for version, who in filter(None, [service.get(pin.name) or others.get(pin.name)])
        if version != pin.version
    ]
    if conflicts:
        raise DeploymentConflict(*conflicts)
    found = [pin for pin in wanted if pin.name not in service]
    if len(found) > PACKAGES:
        raise DeploymentRefused(f"{LOCK} brings {len(found)} packages; a product may bring {PACKAGES}.")
    return found


def versions(who: str, folder: Path | None = None) -> dict[str, tuple[str, str]]:
    """The packages that are installed in this folder; without one, in this process's own environment."""
    places = [str(folder)] if folder is not None else [entry for entry in sys.path if entry not in _used]
    return {
        canonicalize_name(item.metadata["Name"]): (item.version, who)
        for item in metadata.distributions(path=places)
        if item.metadata["Name"]
    }


def install(wanted: Sequence[Pin], folder: Path, patience: float = PATIENCE) -> None:
    """Install packages into an empty folder; from wheels only, so that none of their code runs. Blocks.

    Raises:
        DeploymentRefused: that was not possible; the message says why.
    """
    names = ", ".join(pin.name for pin in wanted)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".lock") as lock:
        lock.writelines(pin.line + "\n" for pin in wanted)
        lock.flush()
        try:
            ended = child.run([sys.executable, "-m", "pip", *_PIP, "--target", str(folder), "-r", lock.name], patience)
        except child.TookTooLong as error:
            raise DeploymentRefused(
                f"Installing {names} took more than {patience:g} s; is the package index reachable from the service?"
            ) from error
    if ended.code != 0:
        raise DeploymentRefused(f"{names} cannot be installed: {_why(ended.errors)}")


def use(folder: Path) -> None:
    """Let this process find the packages in a folder, after all that it has itself."""
    if str(folder) not in sys.path:
        _used.add(str(folder))
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def leave(folder: Path) -> None:
    """Find them there no longer. Who has imported modules from there keeps them; who imports them next does not."""
    sys.path[:] = [entry for entry in sys.path if entry != str(folder)]
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]
    importlib.invalidate_caches()


_used: set[str] = set()
"""Folders that `use` has put on this process's path: they are not its own environment."""


def _lines(lock: str) -> Iterator[str]:
    """Logical lines, without comments."""
    for line in lock.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        if text:
            yield text


def _why(errors: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in errors.splitlines() if line.startswith("ERROR: ")]
    text = " ".join(lines or errors.splitlines()[-1:]) or "pip gives no reason."
    if "No module named pip" in errors:
        return "this Python has no pip; install it beside Millrace."
    if "HASHES" in errors or "do not match" in errors:
        return "what the index serves does not match the hashes of the lock; use another index, or lock again."
    return re.sub(r"//[^/\s]*@", "//***@", text)[:500]
