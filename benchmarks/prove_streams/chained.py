"""Two learners in a chain, whose workers are killed while events flow: what is lost, and what counts twice.

The last storage has a number for each event, by what the first learner knew of it; an offline fold over what was sent
says what these must be.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil

from benchmarks.process import millrace_process
from benchmarks.prove_storage.member import Line, Tail, until
from benchmarks.prove_streams.chain.events import Click
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.stage import broker, own_redis, rows
from benchmarks.report import say
from millrace.lag import LagMeter
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings

PRODUCT = Path(__file__).parent / "chain"
LEARNERS = ("visits", "visited")
WORKERS = 2
PATIENCE = 120.0
LONGEST_PAUSE = 2.0
"""Seconds between a worker's first commit and its kill, at most."""
STILL = 3.0
"""Seconds for which nothing may be behind at the end: what the first learner does is work for the second."""
Counted = Mapping[tuple[str, str], int]
"""By item, and event with what the first learner knew of it."""


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """How many events have no count, and how many counts are too many."""
    trace = folder / "trace.jsonl"
    command = ("learn", str(PRODUCT), "--processes", str(WORKERS), "--trace", str(trace))
    with broker(folder / "stack") as settings, own_redis(folder / "chain", settings) as own:
        with closing(Platform(own)) as platform:
            platform.prepare(Product.load(PRODUCT))
            with millrace_process(folder, own, *command) as supervisor, closing(Clicks(platform, extent)) as clicks:
                clicks.start()
                kills = _kill(psutil.Process(supervisor.pid), trace, extent)
                clicks.stop()
                _level(platform)
        found = _counted(own)
    lost, doubled = difference(wanted(clicks.sent), found)
    say(f"{len(clicks.sent):,} events through the chain, {kills} kills: {lost} lost, {doubled} doubled")
    return {"chain_lost": float(lost), "chain_doubled": float(doubled)}


def wanted(sent: Iterable[Click]) -> Counted:
    """The offline fold."""
    clicks: Counter[str] = Counter()
    found = {}
    for click in sent:
        found[click.item, f"{click.number}/{clicks[click.user]}"] = 1
        clicks[click.user] += 1
    return found


def difference(right: Counted, found: Counted) -> tuple[int, int]:
    """Events that were lost, and counts that are too many or of nothing that was sent."""
    lost = sum(max(0, count - found.get(event, 0)) for event, count in right.items())
    doubled = sum(max(0, count - right.get(event, 0)) for event, count in found.items())
    return lost, doubled


class Clicks(threading.Thread):
    """Sends clicks at a steady rate until it is told to stop.

    Attributes:
        sent: all of them, in order.
    """

    def __init__(self, platform: Platform, extent: Extent) -> None:
        super().__init__(name="clicks", daemon=True)
        self.sent: list[Click] = []
        self._producer, self._rate = platform.producer, extent.chain_rate
        self._enough = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        """Thread body."""
        chance, begun = random.Random(8), time.monotonic()
        try:
            while not self._enough.wait(0.005):
                for number in range(len(self.sent), int((time.monotonic() - begun) * self._rate)):
                    user, item = f"u{chance.randrange(5_000)}", f"i{chance.randrange(500)}"
                    self.sent.append(Click(user, item, number, datetime.now(UTC)))
                    self._producer.emit(self.sent[-1])
            self._producer.flush()
        except Exception as error:
            self._failure = error

    def stop(self) -> None:
        """Send no more. Raises what has failed."""
        self._enough.set()
        self.join()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """The same, whatever has failed."""
        self._enough.set()
        if self.is_alive():
            self.join()


def _kill(supervisor: psutil.Process, trace: Path, extent: Extent) -> int:
    """SIGKILL to workers, at a random time after something was committed; how many."""
    chance, commits = random.Random(), Commits(trace)
    until(lambda: len(commits.since(0.0)) == len(LEARNERS), PATIENCE, "A commit of both learners")
    for _ in range(extent.chain_kills):
        time.sleep(chance.random() * LONGEST_PAUSE)
        chance.choice(supervisor.children()).kill()
        until(partial(commits.since, time.time()), PATIENCE, "A commit after a kill")
        until(lambda: len(supervisor.children()) == WORKERS, PATIENCE, "The restart of a worker")
    return extent.chain_kills


class Commits:
    """The last commit of each learner, by the trace that all workers write."""

    def __init__(self, trace: Path) -> None:
        self._tail = Tail(trace)
        self._last: dict[str, float] = {}

    def since(self, at: float) -> set[str]:
        """The learners that have committed something after this time (seconds since 1970)."""
        found: list[Line] = []
        self._tail.into(found)
        self._last |= {line["learner"]: line["at"] for line in found if "committed" in line}
        return {learner for learner, last in self._last.items() if last > at}


def _level(platform: Platform) -> None:
    """Wait until nothing is behind, and stays so."""
    with closing(LagMeter(platform, Product.load(PRODUCT))) as meter:
        still = time.monotonic()
        deadline = still + PATIENCE
        while time.monotonic() - still < STILL:
            if meter.measure().events:
                still = time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError("The chain does not reach the ends of its topics.")
            time.sleep(0.1)


def _counted(settings: Settings) -> Counted:
    found = rows(PRODUCT, settings, "counts").iter_rows()
    return {(item, event): count for item, event, count in found}
