"""`millrace serve`: answers though Kafka, registry and Redis are away, and ends in time when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_ports

ROOT = Path(__file__).parents[2]
ENDPOINTS = """
import msgspec
import millrace as mr

class Ask(msgspec.Struct):
    user: str

class Answer(msgspec.Struct):
    items: list[str]

ask = mr.EndpointType("ask", Ask, Answer, unit="user")

@ask.implementation
async def fixed(request: Ask) -> Answer:
    return Answer(["fixed"])
"""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The service of a small product, with nothing else running, and its address."""
    folder = tmp_path / "alone"
    folder.mkdir()
    (folder / "endpoints.py").write_text(ENDPOINTS)
    service, kafka, registry, redis = free_ports(4)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MILLRACE_SERVICE_PORT": str(service),
        "MILLRACE_KAFKA": f"127.0.0.1:{kafka}",
        "MILLRACE_REGISTRY_URL": f"http://127.0.0.1:{registry}",
        "MILLRACE_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
    }
    with (tmp_path / "serve.log").open("wb") as log:
        command = [sys.executable, "-m", "millrace", "serve", str(folder)]
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process, f"http://127.0.0.1:{service}"
    finally:
        process.kill()
        process.wait()


def answering(process: subprocess.Popen[bytes], address: str) -> httpx.Response:
    """The first answer that it gives."""
    until = time.monotonic() + 30
    while True:
        assert process.poll() is None
        try:
            return httpx.post(f"{address}/v1/ask", json={"user": "u1"}, timeout=5.0)
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_it_needs_no_other_part_in_order_to_answer(alone: tuple[subprocess.Popen[bytes], str]) -> None:
    process, address = alone
    assert answering(process, address).json() == {"items": ["fixed"]}
    assert httpx.get(f"{address}/healthz").status_code == 200
    assert httpx.get(f"{address}/readyz").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_within_five_seconds_whatever_it_waits_for(
    alone: tuple[subprocess.Popen[bytes], str], number: signal.Signals
) -> None:
    """A decision waits for Kafka, and a console's stream is open: neither keeps it."""
    process, address = alone
    answering(process, address)
    with httpx.stream("GET", f"{address}/console/flow/live", timeout=10.0) as stream:
        next(stream.iter_raw())
        began = time.monotonic()
        process.send_signal(number)
        process.wait(15)
    assert time.monotonic() - began < 5
