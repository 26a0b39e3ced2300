"""Processes that a proof starts: each writes to a file, and is ended by its own id."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx

from millrace.settings import Settings
from millrace.stack.plan import variables

PYTHON = (sys.executable, "-m")


@contextmanager
def process(
    log: Path, command: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A command for the time of the block; told to end on the way out, and killed if it does not."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        started = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def millrace_process(
    folder: Path, settings: Settings, *command: str
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """One `millrace` command over these settings; `serve` writes to `serve.log` in the folder."""
    return process(folder / f"{command[0]}.log", [*PYTHON, "millrace", *command], variables(settings))


def wait_until_it_answers(
    started: subprocess.Popen[bytes], address: str, patience: float, status: int | None = 200
) -> None:
    """Wait for a server.

    Args:
        patience: seconds.
        status: of its answer; None = any will do.

    Raises:
        RuntimeError: it has ended, or takes too long.
    """
    until = time.monotonic() + patience
    with httpx.Client(trust_env=False) as client:  # one for all tries, as each reads all certificates
        while time.monotonic() < until:
            if started.poll() is not None:
                ended = f"its process has ended ({started.returncode}); see its log."
                raise RuntimeError(f"{address} will not answer: {ended}")
            try:
                found = client.get(address).status_code
                if status in (None, found):
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise RuntimeError(f"{address} did not answer within {patience:.0f} s; see its log.")


def wait_until_ready(started: subprocess.Popen[bytes], settings: Settings, patience: float = 60.0) -> None:
    """Wait for the models service that this process is."""
    wait_until_it_answers(started, f"{settings.service_url}/readyz", patience)
