"""Workers of a chain are killed and frozen between emission and commit; then all rows are compared with a loop's."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.prove_chain.product import PARTITIONS, Chain, clicks, expected
from benchmarks.prove_chain.repeats import emissions
from benchmarks.prove_storage.member import Line, Tail, until
from benchmarks.prove_storage.nursery import Nursery
from schemas import RegistryClient, decode_record
from storage import Technology
from storage.technologies import opened
from streams import Kafka, Producer, Topics

STEPS = ("before", "sending", "sent", "acknowledged", "committed")
MEMBERS = 2
PACE = 150
"""Clicks a second."""
PATIENCE = 120.0


@dataclass(frozen=True)
class Plan:
    """How often each is done.

    Attributes:
        killed, frozen: steps at which a process is, one after the other.
        kills: kills at random moments.
    """

    killed: Sequence[str] = STEPS
    frozen: Sequence[str] = STEPS
    kills: int = 5
    seed: int = 11


@dataclass
class Found:
    """What came of it.

    Attributes:
        lost, doubled: events that a row lacks, or has too many, over all storages.
        wrong: rows that differ in any other way, or at all.
        repeats: events that are more than once in the emitted topics.
        ended: how often a process ended at a step, or was frozen there.
    """

    clicks: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)
    repeats: int = 0
    emitted: int = 0
    kills: int = 0
    zombies: int = 0
    ended: Counter[str] = field(default_factory=Counter)


class Stage:
    """The topics, what is sent, and the workers."""

    def __init__(self, kafka: str, registry: str, redis: str, folder: Path, seed: int) -> None:
        self.name = f"chain-{uuid.uuid4().hex[:8]}"
        self.chain, self.events = Chain.of(self.name), list[dict[str, Any]]()
        self._kafka, self._seed, self._folder = Kafka(kafka), seed, folder
        self.registry = RegistryClient(registry)
        self.topics = Topics(self._kafka)
        for event_type in self.chain.event_types.values():
            self.registry.register(event_type)
            self.topics.ensure(event_type.topic, PARTITIONS)
        self.technology = opened("redis", redis)
        self.nursery = Nursery(folder / "workers.log")
        self._arguments = {"kafka": kafka, "registry": registry, "redis": redis, "name": self.name}
        self.lines: list[Line] = []
        self._tails = [Tail(self._trace(member)) for member in range(MEMBERS)]
        self.processes = [self.born(member) for member in range(MEMBERS)]
        self._enough = threading.Event()
        self._emitting = threading.Thread(target=self._emit)
        self._emitting.start()

    def born(self, member: int, step: str = "", fate: str = "SIGKILL") -> int:
        """A new process under a member's name."""
        named = {"member": f"{self.name}-{member}", "trace": str(self._trace(member)), "step": step, "fate": fate}
        return self.nursery.born({**self._arguments, **named}, "chain_process")

    def look(self) -> list[Line]:
        """All that was traced."""
        for tail in self._tails:
            tail.into(self.lines)
        return self.lines

    def has(self, kind: str, process: int) -> bool:
        """Whether a process has traced such a line."""
        return any(kind in line and line["process"] == process for line in self.look())

    def emitting(self, number: int) -> int:
        """A member that has partitions for which it emits; another for the next number, if there are several."""
        claims = [line for line in self.look() if "claimed" in line and line["claimed"][0] == self.chain.clicks.topic]
        owners = {(line["learner"], *line["claimed"][:2]): line["process"] for line in sorted(claims, key=_moment)}
        found = [member for member, process in enumerate(self.processes) if process in owners.values()]
        return found[number % len(found)] if found else number % MEMBERS

    def kill(self, process: int) -> None:
        """SIGKILL; returns when it is no more."""
        if not self.nursery.gone(process):
            os.kill(process, signal.SIGKILL)
            self.nursery.gone(process, wait=60)

    def stop_sending(self) -> None:
        """No more clicks; returns when all are acknowledged."""
        self._enough.set()
        self._emitting.join()

    def close(self) -> None:
        """End everything."""
        self.stop_sending()
        self.nursery.close()
        self.topics.close()
        self.technology.close()
        self.registry.close()

    def rows(self) -> dict[str, dict[str, Any]]:
        """Storage -> key -> row; five times a second at most."""
        time.sleep(0.2)
        return rows_of(self.technology)

    def repeats(self) -> tuple[int, int]:
        """How many events are in the emitted and derived topics, and how many of them more than once."""
        total, different = 0, 0
        for name in self.topics.names():
            if name.startswith(self.name) and name != self.chain.clicks.topic:
                ends = {place: high for (_, place), (low, high) in self.topics.ends([name]).items() if high > low}
                found = emissions(self._kafka, name, ends)
                total, different = total + found.total(), different + len(found)
        return total, total - different

    def _trace(self, member: int) -> Path:
        return self._folder / f"{member}.jsonl"

    def _emit(self) -> None:
        begun = time.monotonic()
        with Producer(self._kafka, self.registry) as producer:
            for event in clicks(self._seed):
                if self._enough.is_set():
                    break
                self.events.append(event)
                producer.send(self.chain.clicks, event)
                if len(self.events) % 20 == 0:
                    time.sleep(max(0.0, begun + len(self.events) / PACE - time.monotonic()))


def attack(plan: Plan, kafka: str, registry: str, redis: str, folder: Path) -> Found:
    """Do all of it. Redis must be empty before. Blocks."""
    found, chance = Found(), random.Random(plan.seed)
    with staged(kafka, registry, redis, folder, plan.seed) as stage:
        for process in stage.processes:
            until(lambda process=process: stage.has("committed", process), PATIENCE, "a first commit")
        for number, step in enumerate(plan.killed):
            found.kills += _killed_at(stage, number, step)
        for number, step in enumerate(plan.frozen):
            found.zombies += _frozen_at(stage, number, step)
        for number in range(plan.kills):
            time.sleep(chance.random() * 0.2)
            stage.kill(stage.processes[number % MEMBERS])
            found.kills += 1
            stage.processes[number % MEMBERS] = fresh = stage.born(number % MEMBERS)
            until(lambda fresh=fresh: stage.has("claimed", fresh), PATIENCE, "a claim")
        stage.stop_sending()
        _compare(stage, found)
        found.emitted, found.repeats = stage.repeats()
        found.ended.update(line["step"] for line in stage.look() if "step" in line)
    return found


@contextmanager
def staged(kafka: str, registry: str, redis: str, folder: Path, seed: int) -> Iterator[Stage]:
    """Everything that is attacked."""
    with closing(Stage(kafka, registry, redis, folder, seed)) as stage:
        yield stage


def rows_of(technology: Technology) -> dict[str, dict[str, Any]]:
    """All rows: storage -> key -> fields."""
    found: dict[str, dict[str, Any]] = {}
    for item in technology.storages():
        mine = found.setdefault(item.name, {})
        for address, row in technology.dump(item):
            mine[address.key] = decode_record(item.schema or {}, row) if isinstance(row, bytes) else dict(row)
    return found


def _killed_at(stage: Stage, number: int, step: str) -> int:
    """Let a process end itself at a step, and another follow it under its name."""
    member, process = _at_step(stage, number, step, "SIGKILL")
    until(lambda: stage.nursery.gone(process), PATIENCE, f"the end at {step}")
    _replace(stage, member)
    return 1


def _frozen_at(stage: Stage, number: int, step: str) -> int:
    """Freeze a process at a step, let its units be claimed under its name, and wake it; it ends, as it was replaced."""
    member, zombie = _at_step(stage, number, step, "SIGSTOP")
    until(lambda: psutil.Process(zombie).status() == psutil.STATUS_STOPPED, PATIENCE, "the freeze")
    _replace(stage, member)
    os.kill(zombie, signal.SIGCONT)
    try:
        until(lambda: stage.nursery.gone(zombie), 10.0, "the end of a zombie")
    except TimeoutError:
        stage.kill(zombie)
    return 1


def _at_step(stage: Stage, number: int, step: str, fate: str) -> tuple[int, int]:
    """A process that has come to a step; the next member where one has nothing to emit any more."""
    for turn in range(5):
        member = stage.emitting(number + turn)
        stage.kill(stage.processes[member])
        stage.processes[member] = process = stage.born(member, step, fate)
        with suppress(TimeoutError):
            until(lambda process=process: stage.has("step", process), 20.0, f"the step {step}")  # type: ignore[misc]
            return member, process
    raise TimeoutError(f"No process comes to the step {step}.")


def _replace(stage: Stage, member: int) -> None:
    """Another process under a member's name; returns when it has committed."""
    stage.processes[member] = fresh = stage.born(member)
    until(lambda: stage.has("committed", fresh), PATIENCE, "a commit of its successor")


def _moment(line: Line) -> float:
    return float(line["at"])


def _compare(stage: Stage, found: Found) -> None:
    """Wait until all is folded, and compare every row."""
    wanted, found.clicks = expected(stage.events), len(stage.events)
    try:
        until(lambda: _own(stage.rows(), wanted) == wanted, PATIENCE, "the end")
    except TimeoutError:
        rows = _own(stage.rows(), wanted)
        for storage, items in wanted.items():
            for key in {*items, *rows[storage]}:
                one, other = items.get(key), rows[storage].get(key)
                if one != other:
                    found.wrong.append(f"{storage} of {key!r} is {other}, and not {one}")
                missing = _events(one) - _events(other)
                found.lost, found.doubled = found.lost + max(0, missing), found.doubled + max(0, -missing)


def _own(rows: Mapping[str, dict[str, Any]], wanted: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {storage: rows.get(storage, {}) for storage in wanted}


def _events(row: Mapping[str, Any] | None) -> int:
    """How many events a row has seen."""
    if row is None:
        return 0
    known = row.get("events", row.get("clicks"))
    return int(sum(row.values()) if known is None else known)
