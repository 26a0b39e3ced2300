"""Rebuilds are killed at random, and stopped until another has taken over, while readers ask: the rows are those of a
fold from offset zero, and no read fails."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import threading
import time
import uuid
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.process import millrace_process
from benchmarks.prove_batch import notes
from benchmarks.prove_storage.member import until
from millrace.platform import Platform
from millrace.product import Product
from millrace.rebuild.rebuild import Rebuild
from millrace.rebuild.run import Wanted, run_rebuild
from millrace.settings import Settings
from storage import CountersReader
from storage.errors import StorageError

PATIENCE = 120.0
SHARE = 0.8
"""So much of the log is archived, and half of that Kafka has lost."""


@dataclass
class Reading:
    """A reader that asks all the time for one row, as the service does.

    Attributes:
        answers: how often it had one.
        failed: what went wrong instead.
        longest: seconds between two answers.
        versions: those that the name stood for, in order.
    """

    settings: Settings
    answers: int = 0
    failed: list[str] = field(default_factory=list)
    longest: float = 0.0
    versions: list[int] = field(default_factory=list)

    def run(self, over: threading.Event) -> None:
        """Ask until it is over."""
        asyncio.run(self._ask(over))

    async def _ask(self, over: threading.Event) -> None:
        async with Platform(self.settings).catalogue() as catalogue:
            await catalogue.refresh()
            reader = catalogue.reader(CountersReader, "tags")
            last = time.monotonic()
            while not over.is_set():
                try:
                    await catalogue.refresh()
                    row, version = await reader.get("t0"), catalogue.find("counters", "tags").version
                except StorageError as error:
                    self.failed.append(str(error))
                    continue
                if not row:
                    self.failed.append(f"@{version} has no row")
                if not self.versions or self.versions[-1] != version:
                    self.versions.append(version)
                self.answers, self.longest = self.answers + 1, max(self.longest, time.monotonic() - last)
                last = time.monotonic()
                await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Found:
    """What came of it.

    Attributes:
        kills: and stops.
        equal: the new version is the fold from offset zero, and the old one what it was.
        zombies: exit codes of those that were stopped until another had taken over.
    """

    kills: int
    equal: bool
    zombies: list[int]
    reading: Reading


def attacked(folder: Path, settings: Settings, kills: int, events: int, seed: int = 7) -> Found:
    """Rebuild a product of its own, with rows in an empty Redis, while that is done so often. Blocks until it is
    rebuilt."""
    own = replace(
        settings, archive_url=str(folder / "kept"), partitions=notes.PARTITIONS, commit_interval_ms=1, near_cache_mb=0
    )
    topic, archived = f"notes-{uuid.uuid4().hex[:8]}", int(events * SHARE)
    product = notes.write(folder / "notes", topic)
    notes.prepare(product, own)
    notes.emit(product, own, range(archived))
    notes.archive(product, own)
    run_rebuild(product, "notes", own, Wanted())
    notes.emit(product, own, range(archived, events))
    notes.forget(own, topic, SHARE / 2)
    notes.write(product, topic, version=2, weight=2)
    over, reading = threading.Event(), Reading(own)
    asking = threading.Thread(target=reading.run, args=(over,))
    asking.start()
    try:
        done, zombies = _attack(folder, own, product, kills, archived, random.Random(seed))
    finally:
        over.set()
        asking.join()
    equal = notes.learned(own, 2) == notes.expected(events, 2) and notes.learned(own, 1) == notes.expected(archived)
    return Found(done, equal, zombies, reading)


class Attack:
    """Rebuilds of one product, and how far they are."""

    def __init__(self, folder: Path, settings: Settings, product: Path, rebuild: Rebuild, stack: ExitStack) -> None:
        self._folder, self._settings, self._product = folder, settings, product
        self._rebuild, self._stack = rebuild, stack

    def begin(self, number: int) -> subprocess.Popen[bytes]:
        """Start one."""
        command = ("rebuild", "notes", "--product", str(self._product))
        return self._stack.enter_context(millrace_process(self._folder / f"rebuild-{number}", self._settings, *command))

    def folded(self) -> int:
        """How many events are committed."""
        return sum(self._rebuild.positions().values())

    def reaches(self, running: subprocess.Popen[bytes], least: int) -> None:
        """Wait until so many are, or it has ended."""
        until(lambda: running.poll() is not None or self.folded() >= least, PATIENCE, f"{least} events are folded")

    def strike(self, number: int, step: str, archived: int, chance: random.Random) -> subprocess.Popen[bytes] | None:
        """Start one, and kill or stop it in this step; None if it was done before."""
        before, running = self.folded(), self.begin(number)
        if step == "begin":
            time.sleep(chance.random() * 1.5)
        else:
            self.reaches(running, archived if step == "end" else before + 1)
            time.sleep(chance.random() * (1.0 if step == "end" else 0.05))
        if running.poll() is not None:
            return None
        os.kill(running.pid, signal.SIGSTOP if step == "stop" else signal.SIGKILL)
        return running


def _attack(
    folder: Path, settings: Settings, product: Path, kills: int, archived: int, chance: random.Random
) -> tuple[int, list[int]]:
    """Kill at a random moment of its filling, of its begin, or at its end; every third is stopped until another has
    taken over. Then let one end."""
    done, zombies = 0, list[subprocess.Popen[bytes]]()
    with closing(Platform(settings)) as platform, ExitStack() as stack:
        attack = Attack(folder, settings, product, Rebuild(platform, Product.load(product), "notes"), stack)
        for number in range(kills):
            step = "end" if number and number == kills - 1 else ("fill", "stop", "begin")[number % 3]
            struck = attack.strike(number, step, archived, chance)
            done += struck is not None
            zombies += [struck] if struck is not None and step == "stop" else []
        at, last = attack.folded(), attack.begin(kills)
        attack.reaches(last, at + 1)
        for zombie in zombies:
            os.kill(zombie.pid, signal.SIGCONT)
        if last.wait(PATIENCE):
            raise RuntimeError(f"The last rebuild ended with {last.returncode}; see {folder}.")
        return done, [zombie.wait(PATIENCE) for zombie in zombies]
