"""Servers that are killed under load and come back: every request is answered, every decision is logged.

`measure` kills Redis. `python -m benchmarks.prove_models.outages 600` keeps Kafka away for so many seconds instead, and
compares what was answered with what the topic holds at the end.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.local_stack import local_stack
from benchmarks.prove_models import rows
from benchmarks.prove_models.clients import Clients
from benchmarks.prove_models.stage import Server, service
from benchmarks.report import say
from millrace.settings import Settings
from millrace.stack import Stack
from streams import Kafka, Topics

PRODUCT = Path(__file__).parent / "outages_product"
KILLS = 4
"""Times that Redis is killed under load."""
PATIENCE = 600.0
"""Seconds within which a spool is sent once Kafka is back."""


def measure(folder: Path) -> dict[str, float | None]:
    """`errors_5xx`: requests that got anything but an answer, while Redis was killed, started again and frozen."""
    with local_stack(folder) as settings:
        rows.fill(settings.redis_url)
        with service(folder, settings, "outages", PRODUCT) as server, _clients(server) as clients:
            for _ in range(KILLS):
                clients.until("neighbours", 200)
                _kill(settings, "redis")
                clients.until("well_known", 500)
                Stack(settings).up()
            clients.until("neighbours", 200)
            with _frozen(settings, "redis"):
                clients.until("well_known", 500)
            clients.until("neighbours", 200)
    say(f"Redis was killed {KILLS} times and frozen once: {dict(clients.answers)}, p99 {clients.p99_ms():.1f} ms")
    say(f"{clients.unanswered} requests had no answer: {clients.problems}")
    return {"errors_5xx": clients.unanswered}


def without_kafka(folder: Path, seconds: float) -> None:
    """Kafka is killed under load, and comes back after so long: what was lost, and what was sent twice."""
    with local_stack(folder) as settings:
        rows.fill(settings.redis_url)
        with service(folder, settings, "outages", PRODUCT) as server:
            with _clients(server) as calm:
                time.sleep(10.0)
            _kill(settings, "kafka")
            with _clients(server) as away:
                time.sleep(seconds)
            say(f"Kafka was away for {seconds:.0f} s: {_decisions(server)}")
            begun = time.monotonic()
            Stack(settings).up(say)
            while (counts := _decisions(server))["logged"] < counts["answers"]:
                if time.monotonic() > begun + PATIENCE:
                    raise TimeoutError(f"the decisions did not come: {counts}")
                time.sleep(0.5)
            say(f"all were logged {time.monotonic() - begun:.0f} s after its start: {counts}")
        topics = Topics(Kafka(settings.kafka))
        held = sum(high - low for low, high in topics.ends(["decisions"]).values())
        topics.close()
    say(f"{counts['answers']:,} answers; the topic holds {held:,} decisions")
    say(f"p99 {calm.p99_ms():.1f} ms before, {away.p99_ms():.1f} ms meanwhile; {away.unanswered} without an answer")


def _clients(server: Server) -> Clients:
    return Clients(f"{server.url}/v1/recommend", _request)


def _request(number: int) -> dict[str, Any]:
    return {"user": f"u{number % 10_000}", "films": [rows.film((number + step) % rows.FILMS) for step in range(3)]}


def _kill(settings: Settings, name: str) -> None:
    """SIGKILL one of the stack's servers, by its own process id."""
    for process in _processes(settings, name):
        process.kill()
        process.wait(20)


@contextmanager
def _frozen(settings: Settings, name: str) -> Iterator[None]:
    """One of the stack's servers is there and says nothing."""
    processes = _processes(settings, name)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def _processes(settings: Settings, name: str) -> list[psutil.Process]:
    found = [record.process() for record in Stack(settings).records([name])]
    return [process for process in found if process is not None]


def _decisions(server: Server) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{server.url}/v1/decisions").json()
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="millrace-proof-") as place:
        without_kafka(Path(place), float(sys.argv[1]))
