"""`millrace serve` as a process of its own, for tests that need a real server on a real port."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.conftest import free_ports
from tests.plain import PLAIN

ROOT = Path(__file__).parents[2]
TYPES = """
import msgspec
import millrace as mr

class Ask(msgspec.Struct):
    user: str

class Answer(msgspec.Struct):
    items: list[str]
"""
"""How a small product's `endpoints.py` begins."""
FIXED = (
    TYPES
    + """
ask = mr.EndpointType("ask", Ask, Answer, unit="user")

@ask.implementation
async def fixed(request: Ask) -> Answer:
    return Answer(["fixed"])
"""
)
"""A product whose answer needs nothing and is always the same."""


@dataclass(frozen=True)
class Served:
    """A service that answers. What it says is in `log`."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30.0, verify=PLAIN)

    def ask(self, path: str = "/v1/ask", timeout: float = 30.0) -> httpx.Response:
        return httpx.post(self.url + path, json={"user": "u1"}, timeout=timeout, verify=PLAIN)


def closed() -> dict[str, str]:
    """Settings under which nothing runs: every port of theirs is closed."""
    service, kafka, registry, redis = free_ports(4)
    return {
        "MILLRACE_SERVICE_PORT": str(service),
        "MILLRACE_KAFKA": f"127.0.0.1:{kafka}",
        "MILLRACE_REGISTRY_URL": f"http://127.0.0.1:{registry}",
        "MILLRACE_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
    }


@contextmanager
def served(folder: Path, endpoints: str, **variables: str) -> Iterator[Served]:
    """The service of a small product. Kafka, registry and Redis are away unless variables say where they are."""
    with starting(folder, endpoints, **variables) as found:
        _wait(found)
        yield found


@contextmanager
def starting(folder: Path, endpoints: str, **variables: str) -> Iterator[Served]:
    """The same, not yet ready to answer."""
    (folder / "product").mkdir(exist_ok=True)
    (folder / "product" / "endpoints.py").write_text(endpoints)
    alone = closed()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **alone, **variables}
    log = folder / "serve.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "millrace", "serve", "product"]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield Served(process, f"http://127.0.0.1:{alone['MILLRACE_SERVICE_PORT']}", log)
    finally:
        process.kill()
        process.wait()


def _wait(found: Served) -> None:
    end = time.monotonic() + 60
    while True:
        assert found.process.poll() is None, found.log.read_text()
        try:
            found.get("/healthz").raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return
