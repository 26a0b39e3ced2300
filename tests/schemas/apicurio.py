"""A real Apicurio Registry, which speaks Confluent's HTTP API as ours does: what its memory holds ends with it."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.ports import free_ports
from millrace.stack.answered import answered
from millrace.stack.artefacts import filling, pinned
from millrace.stack.fetch import fetched
from millrace.stack.java import java

_ARTEFACTS = pinned("Apicurio Registry 3.3.3", Path(__file__).parent / "apicurio-3.3.3.txt")
_JAVA = 21
_UNPACKED = 180 << 20
_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Djava.awt.headless=true")
_PATIENCE = 120.0


@contextmanager
def apicurio(log: Path) -> Iterator[str]:
    """The address of one on loopback, which is stopped at the end of the block.

    Args:
        log: file for what it prints.

    Raises:
        StackError: it cannot be had: no Java, or its program cannot be fetched.
    """
    program, (port, management) = _program(), free_ports(2)
    address = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    settings = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": port,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": management,
        "quarkus.http.access-log.enabled": "false",
    }
    options = [*_OPTIONS, *(f"-D{name}={value}" for name, value in settings.items())]
    command = [str(java("Apicurio Registry", _JAVA)), *options, "-jar", str(program)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=log.parent, stdout=out, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + _PATIENCE
        while not _answers(address):
            going = process.poll() is None and time.monotonic() < until
            assert going, log.read_text("utf-8", errors="replace")[-5_000:]
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def _program() -> Path:
    """Its unpacked program: fetched once, and unpacked beside what was fetched."""
    folder = fetched(_ARTEFACTS, show=False)
    home = folder / "unpacked"
    if not home.is_dir():
        with filling(folder, _UNPACKED, _ARTEFACTS.title), tempfile.TemporaryDirectory(dir=folder) as unpacking:
            whole = Path(unpacking) / "whole"
            with tarfile.open(folder / _ARTEFACTS.files[0].file) as archive:
                archive.extractall(whole, filter="data")
            with suppress(OSError):  # another process was faster
                whole.rename(home)
    return home / "quarkus-run.jar"


def _answers(address: str) -> bool:
    return answered(f"{address}/subjects") is not None
