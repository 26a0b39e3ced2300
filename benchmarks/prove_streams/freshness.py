"""How long an event takes from its producer into an answer over HTTP, while plays flow at 25, 50 and 80 % of the load.

The full load is what the worker commits while a producer on the same machine sends just as much. An event of a new
user is emitted by the product's own producer, and the service is asked for that user until its answer counts it.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import quantiles

from benchmarks.process import PYTHON, millrace_process, process, wait_until_ready
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.load import Backlog
from benchmarks.prove_streams.product.events import Play
from benchmarks.prove_streams.progress import Counting, Standstill, begun, marks, measured
from benchmarks.prove_streams.stage import broker, learning, own_redis
from benchmarks.report import say
from millrace.platform import Platform
from millrace.settings import Settings
from streams import Producer

LOADS = (0.25, 0.5, 0.8)
HALF = 0.5
ASKERS = 4
AGAIN = 0.004
"""Seconds between two questions for the same user."""
PATIENCE = 30.0
HEAD = b"POST /v1/plays HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
LONGEST = 1 << 16
_EVER = 1 << 62


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """See `at_half`."""
    return at_half(course(folder, extent))


def at_half(waits_ms: Mapping[float, Sequence[float]]) -> dict[str, float | None]:
    """The quantiles at half load."""
    found = quantiles(waits_ms[HALF], n=100, method="inclusive")
    return {"freshness_ms.p50": round(found[49], 1), "freshness_ms.p99": round(found[98], 1)}


def course(folder: Path, extent: Extent) -> dict[float, list[float]]:
    """Milliseconds by load, one for each event that was looked for."""
    with broker(folder / "stack") as settings, own_redis(folder / "plays_of_user", settings) as own:
        with _serving(folder / "plays_of_user", own) as (trace, asking):
            full = _full(folder, own, trace, extent)
            found = {}
            for share in LOADS:
                with loading(folder / f"load-{share}", own, trace, full * share) as sending:
                    time.sleep(extent.warm)
                    found[share] = asking.ask(extent.load_seconds)
                _tell(share, full * share, sending, found[share])
                level(trace)
    return found


@contextmanager
def loading(folder: Path, settings: Settings, trace: Path, rate: float) -> Iterator[Counting]:
    """Plays at a rate; see `load.py`."""
    arguments = (settings.kafka, settings.registry_url, str(rate), str(trace))
    with process(folder / "load.log", [*PYTHON, "benchmarks.prove_streams.load", *arguments]) as started:
        counting = Counting(started, folder / "load.log")
        begun("the load", counting)
        yield counting


def level(trace: Path) -> None:
    """Wait until the worker commits no more, as nobody sends.

    Raises:
        Standstill: it does not end.
    """
    backlog, until = Backlog(trace), time.monotonic() + 2 * PATIENCE
    while time.monotonic() < until:
        before = backlog.committed()
        time.sleep(0.5)
        if backlog.committed() == before:
            return
    raise Standstill(f"The worker does not catch up; see {trace}.")


@contextmanager
def _serving(folder: Path, settings: Settings) -> Iterator[tuple[Path, Asking]]:
    """A worker and a service, which has read its first row."""
    with learning(folder, settings, "user") as counting:
        with millrace_process(folder, settings, "serve", str(folder / "plays")) as service:
            wait_until_ready(service, settings)
            platform = Platform(settings)
            try:
                asking = Asking(settings, platform.producer)
                asking.ask(1.0)
                yield counting.file, asking
            finally:
                platform.close()


def _full(folder: Path, settings: Settings, trace: Path, extent: Extent) -> float:
    """Events per second at full load."""
    with loading(folder / "full", settings, trace, 0.0) as sending:
        found = measured("the load", sending, extent.warm, extent.seconds, _EVER)
    level(trace)
    say(f"full load: {found:,.0f} events/s sent and committed")
    return found


def _tell(share: float, asked: float, sending: Counting, found: Sequence[float]) -> None:
    sent = marks(sending.file)
    rate = (sent[-1].events - sent[0].events) / (sent[-1].at - sent[0].at)
    cuts = quantiles(found, n=100, method="inclusive")
    say(
        f"at {share:.0%} of the load ({rate:,.0f} of {asked:,.0f} events/s): {len(found)} events were in an answer "
        f"after {cuts[49]:.0f} ms (p50), {cuts[89]:.0f} ms (p90), {cuts[98]:.0f} ms (p99)"
    )


@dataclass
class Asking:
    """Emits events of new users, and asks for each until an answer counts it."""

    settings: Settings
    producer: Producer
    waits_ms: list[float] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _failures: list[Exception] = field(default_factory=list)

    def ask(self, seconds: float) -> list[float]:
        """Milliseconds of each. Blocks for so long.

        Raises:
            Standstill: an event was in no answer for long.
        """
        self.waits_ms, until = [], time.monotonic() + seconds
        threads = [threading.Thread(target=self._ask, args=(until,)) for _ in range(ASKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        return self.waits_ms

    def _ask(self, until: float) -> None:
        try:
            with socket.create_connection((self.settings.service_host, self.settings.service_port)) as line:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while time.monotonic() < until and not self._failures:
                    self.waits_ms.append(self._once(line, f"new{next(self._numbers)}"))
        except Exception as error:
            self._failures.append(error)

    def _once(self, line: socket.socket, user: str) -> float:
        at = datetime.now(UTC)
        start = time.perf_counter()
        self.producer.emit(Play(user, "i1", "web", 1.0, 0, False, at))
        while not self._counted(line, user):
            if time.perf_counter() - start > PATIENCE:
                raise Standstill(f"No answer has counted the play of {user} within {PATIENCE:.0f} s.")
            time.sleep(AGAIN)
        return (time.perf_counter() - start) * 1000

    @staticmethod
    def _counted(line: socket.socket, user: str) -> bool:
        """On a bare socket, as a thousand questions a second would cost more than what is measured."""
        body = json.dumps({"user": user}).encode()
        line.sendall(HEAD % len(body) + body)
        head, _, found = line.recv(LONGEST).partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise Standstill(f"The service answers {(head + found)[:300]!r}")
        while len(found) < int(length[1]) and (part := line.recv(LONGEST)):
            found += part
        return bool(json.loads(found)["count"])
