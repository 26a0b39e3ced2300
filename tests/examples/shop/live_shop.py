"""The shop as a process of its own, in the environment that has the client's wheel and not this repository."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.prove_loop.stage import Stage
from tests.conftest import free_ports
from tests.plain import PLAIN


@contextmanager
def shop(python: Path, running: Stage, models: str, patience: str = "20") -> Iterator[str]:
    """Its address, while it runs."""
    [port] = free_ports(1)
    command = [str(python), "-m", "shop.live", "--models", models, "--port", str(port), "--patience", patience]
    folder = running.product.folder.parent
    with (folder / "live.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": ""}, stdout=log, stderr=log)
    try:
        yield _answering(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15), (folder / "live.log").read_text()


def _answering(address: str, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(f"{address}/static/shop.css", verify=PLAIN).raise_for_status()
            return address
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the shop did not start ({process.poll()})")
