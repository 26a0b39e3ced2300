"""A server whose disk fills up while a learner commits, and that has room again: nothing is lost, and it goes on.

    python -m benchmarks.prove_storage.full_disk [sqlite postgresql ...]

Each server has its data on a disk of its own, in memory, which only root may mount. The disk is filled to the last byte
between two commits; from then on the learner does as workers do, claims again and sends again, until it was refused
`REFUSALS` times. Then there is room again. A server that has ended is started again by hand.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.ports import free_port
from benchmarks.prove_storage.redis_cluster import Cluster
from benchmarks.prove_storage.small_disk import small_disk
from benchmarks.prove_storage.targets import TARGETS, File, Running, Target
from benchmarks.report import say
from millrace.stack import StackError
from millrace.stack.redis import RedisServer
from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import StorageError, StorageUnavailable, UnknownOutcome
from storage.kinds import KINDS
from storage.technologies import opened
from storage.technology import Technology
from storage.unit import Claim, Outcome, UnitId
from storage.writes import Writes

NAMES = ("redis", "redis everysec", "sqlite", "postgresql", "postgresql log", "cassandra", "search")
"""The first Redis has every command on the disk before it answers, the second is that of `millrace up`. The first
PostgreSQL has no room for a table, the second none for its log."""
MIB = 192
BEFORE, AFTER, REFUSALS = 20, 20, 3
MOST = 2_000
"""So many commits at most go into what a server has reserved before its disk was full."""
PATIENCE = 240.0
"""Seconds after which it is said not to go on."""
_ROW = 20_000
_UNIT = UnitId("full", 1, 1, "events", 0)
_KEPT, _COUNTED = "records/kept", "counters/counted"


@dataclass(frozen=True)
class Outlived:
    """What became of a learner.

    Attributes:
        commits: that went through while the disk was full, into what the server had reserved.
        refusals: what was said, in order, each once.
        restarted: the server had ended, and was started by hand.
        resumed_s: seconds from the room to the next commit.
        lost: rows, and events of a count, that are missing at the end.
        wrong: rows that are none of what was written, and events counted twice.
    """

    commits: int
    refusals: tuple[str, ...]
    restarted: bool
    resumed_s: float
    lost: int
    wrong: int

    def __str__(self) -> str:
        ended = "ended and was started again" if self.restarted else "went on by itself"
        figures = f"{self.resumed_s:.1f} s after there was room; {self.lost} lost, {self.wrong} wrong"
        return "\n".join([f"{self.commits} commits into what it had reserved; it {ended}, {figures}", *self.refusals])


class Learner:
    """Commits one row and one event at a time, and after each trouble begins where the storage stands, as a worker."""

    def __init__(self, technology: Technology) -> None:
        self._technology = technology
        self.counts = "counters" not in KINDS[technology.name].refuses
        self.storages = [_storage(technology.name, name) for name in ([_KEPT, _COUNTED] if self.counts else [_KEPT])]
        for descriptor in self.storages:
            technology.declare(descriptor)
        self._claim: Claim | None = None
        self.position = 0

    def step(self) -> str | None:
        """One commit. Returns what was said where it was refused."""
        try:
            if self._claim is None:
                self._claim = self._technology.claim(_UNIT, f"owner-{time.monotonic_ns()}")
                self.position = self._claim.next or 0
            new = self.position + 1
            outcome = self._technology.commit(self._claim, self.position or None, new, self._writes(new), None)
        except (StorageUnavailable, UnknownOutcome) as error:
            self._claim = None
            return f"{type(error).__name__}: {error}"
        if outcome not in (Outcome.OK, Outcome.ALREADY):
            self._claim = None
            return outcome.name
        self.position = new
        return None

    def found(self) -> tuple[int, int]:
        """How much is lost, and how much is wrong."""
        rows = {address.key: row for address, row in self._technology.dump(self.storages[0])}
        expected = {str(number): _row(number) for number in range(1, self.position + 1)}
        lost = len(expected.keys() - rows.keys())
        wrong = sum(row != expected.get(key) for key, row in rows.items())
        if self.counts:
            counted = dict(self._technology.dump(self.storages[1]))[Address(_COUNTED, "all")]
            assert isinstance(counted, dict)
            lost += max(0, self.position - int(counted["x"]))
            wrong += max(0, int(counted["x"]) - self.position)
        return lost, wrong

    def _writes(self, number: int) -> Writes:
        sums = {Address(_COUNTED, "all"): {"x": 1}} if self.counts else {}
        return Writes(puts={Address(_KEPT, str(number)): _row(number)}, sums=sums)


def outlive(name: str, folder: Path) -> Outlived:
    """Let the disk of one of `NAMES` fill up under a learner. Blocks, some for a minute or two.

    Raises:
        NoDisk: its disk cannot be mounted.
        StackError: it cannot be had.
        TimeoutError: it is not refused, or does not go on.
    """
    target = _target(name)
    with small_disk(folder, MIB) as disk, closing(target.start(disk.folder)) as running:
        with closing(opened(target.technology, running.url)) as technology:
            learner = Learner(technology)
            _commits(learner, BEFORE, running)
            disk.fill()
            if name == "postgresql log":
                _spend_log(running.url)
            commits, refusals = _refused(learner)
            disk.make_room()
            began = time.monotonic()
            restarted = _commits(learner, 1, running)
            resumed = time.monotonic() - began
            _commits(learner, AFTER, running)
            return Outlived(commits, refusals, restarted, resumed, *learner.found())


def _refused(learner: Learner) -> tuple[int, tuple[str, ...]]:
    """Commits until it was refused often enough; how many went through, and what was said."""
    commits, said = 0, list[str]()
    while len(said) < REFUSALS:
        refusal = learner.step()
        if refusal is not None:
            said.append(refusal)
        else:
            commits += 1
            if commits > MOST:
                raise TimeoutError(f"{MOST} commits went through on a full disk.")
    return commits, tuple(dict.fromkeys(said))


def _commits(learner: Learner, count: int, running: Running | Cluster | File) -> bool:
    """So many commits go through, sooner or later. Returns whether the server had to be started again."""
    until, restarted = time.monotonic() + PATIENCE, False
    while count:
        refusal = learner.step()
        count -= refusal is None
        if refusal is not None:
            if isinstance(running, Running) and running.ended:
                running.restart()
                restarted = True
            if time.monotonic() > until:
                raise TimeoutError(f"It does not go on: {refusal}")
            time.sleep(0.1)
    return restarted


def _storage(technology: str, name: str) -> Descriptor:
    format, _, short = name.partition("/")
    return Descriptor(technology, format, short, 1, "full@1", 1, "events", {}, None, "2026-01-01T00:00:00+00:00")


def _row(number: int) -> bytes:
    """Bytes that cannot be compressed, and are known from their number."""
    return random.Random(number).randbytes(_ROW)


def _everysec(folder: Path) -> Running:
    return Running(RedisServer(folder / "data", free_port()), folder / "server.log")


def _target(name: str) -> Target:
    return Target(name, "redis", _everysec, pace=0) if name == "redis everysec" else TARGETS[name.partition(" ")[0]]


def _spend_log(url: str) -> None:
    """Write to PostgreSQL's log, which has a file in reserve, until it has no room."""
    with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
        for _ in range(MIB):
            connection.execute("SELECT pg_logical_emit_message(true, 'full', repeat('x', 1000000))")


def main(names: Sequence[str]) -> None:
    """Print what became of each; the exit code is 1 if anything was lost or wrong."""
    failed = False
    for name in names or NAMES:
        with tempfile.TemporaryDirectory(prefix="millrace-full-") as place:
            try:
                found = outlive(name, Path(place) / "disk")
            except (StackError, StorageError, TimeoutError) as error:
                say(f"{name}: {error}")
                failed = True
                continue
        sys.stdout.write(f"{name}: {found}\n")
        sys.stdout.flush()
        failed = failed or bool(found.lost or found.wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
