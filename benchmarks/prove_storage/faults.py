"""One technology under attack: events that flow, workers that fold them, and what must be true afterwards."""

from __future__ import annotations

import random
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.prove_storage.attacks import (
    Death,
    describe,
    kill_at_a_random_moment,
    kill_at_a_step,
    make_a_zombie,
    refusals,
)
from benchmarks.prove_storage.control import compared
from benchmarks.prove_storage.member import Line, Member, until
from benchmarks.prove_storage.nursery import Nursery
from benchmarks.prove_storage.product import PARTITIONS, event_type, learners, rating_events
from benchmarks.prove_storage.proxy import Proxy
from benchmarks.prove_storage.targets import File, Running, Target, free_port
from learners.declaration import Declaration
from schemas import RegistryClient
from storage import Technology, to_frame
from storage.technologies import opened
from streams import Kafka, Producer, Topics

MEMBERS = 2
CALLS = ("commit", "commit", "commit", "claim", "read")
"""Steps of commits, which matter most, three times as often."""
SILENCE = 0.05
CATCH_UP = 180.0


@dataclass(frozen=True)
class Plan:
    """How much is done to a technology.

    Attributes:
        kills: so many must hit messages that had been delivered and not been committed.
        zombies: frozen in a commit, replaced by a new process under the same name, and woken.
        sleepers: frozen in a commit until their session has passed, and woken.
        restarts: of the server, after SIGKILL.
        cuts: of all its connections.
    """

    kills: int = 100
    zombies: int = 6
    sleepers: int = 1
    restarts: int = 3
    cuts: int = 20

    def attacks(self, chance: random.Random) -> list[str]:
        """Everything in chance's order; half of the kills at random moments and half at steps of the worker's own."""
        found = ["kill"] * (self.kills // 2) + ["step"] * (self.kills - self.kills // 2)
        found += ["zombie"] * self.zombies + ["sleeper"] * self.sleepers
        found += ["restart"] * self.restarts + ["cut"] * self.cuts
        chance.shuffle(found)
        return found


@dataclass(frozen=True)
class Faults:
    """What a run has measured.

    Attributes:
        kills: processes that died with messages in hand.
        zombies: processes that came back after others had claimed their units, and were refused.
        fenced: how often a fence has refused to read or write.
        lost: effects of events that are missing from the rows.
        doubled: effects that are there once too often.
        events, rows: how many were sent, and compared.
        steps: how many different steps a process ended at.
        restarts, cuts: of the server, and of connections to it.
    """

    kills: int
    zombies: int
    fenced: int
    lost: int
    doubled: int
    events: int
    rows: int
    steps: int
    restarts: int
    cuts: int


class Stage:
    """What runs while a technology is attacked."""

    def __init__(
        self, target: Target, running: Running | File, proxy: Proxy | None, kafka: str, registry: str, folder: Path
    ) -> None:
        self.target, self.running, self.proxy = target, running, proxy
        self.topic = f"faults-{target.name}-{uuid.uuid4().hex[:8]}"
        self.events: list[dict[str, Any]] = []
        self._kafka, self._registry = Kafka(kafka), RegistryClient(registry)
        self._topics = Topics(self._kafka)
        self._topics.ensure(self.topic, PARTITIONS)
        self._registry.register(event_type(self.topic))
        self._nursery = Nursery(folder / "workers.log")
        arguments = {
            "kafka": kafka,
            "registry": registry,
            "technology": target.technology,
            "url": running.url if proxy is None else proxy.url,
            "topic": self.topic,
        }
        self.members = [Member(self._nursery, arguments, f"{self.topic}-{n}", folder) for n in range(MEMBERS)]
        self._enough = threading.Event()
        self._emitting = threading.Thread(target=self._emit, name="emitter")

    def begin(self) -> None:
        """Let events flow, and workers fold them."""
        self._emitting.start()
        for member in self.members:
            member.start()

    def lines(self) -> Iterator[Line]:
        """Everything that was traced."""
        for member in self.members:
            member.look()
            yield from member.lines

    def finish(self) -> dict[str, Any]:
        """Send no more, wait until every learner has committed all of it, and read all rows: storage name -> frame."""
        self._enough.set()
        self._emitting.join()
        ends = {place[1]: high for place, (_, high) in self._topics.ends([self.topic]).items()}
        if sum(ends.values()) != len(self.events):
            raise RuntimeError(f"{len(self.events)} events were sent, and the log holds {sum(ends.values())}.")
        with closing(opened(self.target.technology, self.running.url)) as technology:
            return {
                name: frame
                for item in learners(self.topic, self.target.technology)
                for name, frame in _rows(Declaration.of(item, {self.topic: event_type(self.topic)}), technology, ends)
            }

    def close(self) -> None:
        """End everything that was begun here."""
        self._enough.set()
        self._nursery.close()
        if self._emitting.is_alive():
            self._emitting.join()
        self._topics.close()
        self._registry.close()

    def _emit(self) -> None:
        kind, begun = event_type(self.topic), time.monotonic()
        with Producer(self._kafka, self._registry) as producer:
            for event in rating_events(seed=3):
                if self._enough.is_set():
                    break
                self.events.append(event)
                producer.send(kind, event)
                number = len(self.events)
                if number % 20 == 0:
                    time.sleep(max(0.0, begun + number / self.target.pace - time.monotonic()))


def attack(target: Target, plan: Plan, kafka: str, registry: str, folder: Path, seed: int = 11) -> Faults:
    """Carry a plan out against a technology, and compare every row with an offline fold. Blocks for minutes.

    Args:
        kafka, registry: addresses.
        folder: for the data of the technology, and for logs and traces.

    Raises:
        StackError: the technology cannot be started on this machine.
        TimeoutError: the workers do not recover from what was done to them.
    """
    chance = random.Random(seed)
    with _stage(target, kafka, registry, folder) as stage:
        stage.begin()
        for member in stage.members:
            member.until_line("delivered", member.process, 60.0)
        deaths, zombies = _carried_out(stage, plan, chance)
        while sum(death.hit(stage.lines()) for death in deaths) < plan.kills:
            deaths.append(_kill(stage, chance, "kill", len(deaths)))
        difference = compared(stage.events, stage.finish())
        lines = list(stage.lines())
        steps = describe(lines)
        say(f"{target.name}: ended at {len(steps)} steps: {', '.join(f'{name} x{n}' for name, n in steps.items())}")
        return Faults(
            kills=sum(death.hit(lines) for death in deaths),
            zombies=zombies,
            fenced=refusals(lines),
            lost=difference.lost,
            doubled=difference.duplicated,
            events=len(stage.events),
            rows=difference.rows,
            steps=len(steps),
            restarts=stage.running.restarts,
            cuts=0 if stage.proxy is None else stage.proxy.cuts,
        )


def say(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _carried_out(stage: Stage, plan: Plan, chance: random.Random) -> tuple[list[Death], int]:
    deaths: list[Death] = []
    zombies = 0
    for attack in plan.attacks(chance):
        if attack in ("kill", "step"):
            deaths.append(_kill(stage, chance, attack, len(deaths)))
        elif attack in ("zombie", "sleeper"):
            victim, *others = chance.sample(stage.members, MEMBERS)
            zombies += make_a_zombie(victim, others, chance.random() / 2, replaced=attack == "zombie")
        elif attack == "restart":
            stage.running.restart()
        elif stage.proxy is not None:
            stage.proxy.cut(chance.choice((0.0, SILENCE)))
    return deaths, zombies


def _kill(stage: Stage, chance: random.Random, attack: str, number: int) -> Death:
    """Kill a member, and start it anew. The steps are gone through evenly, from the first to the last."""
    victim = chance.choice(stage.members)
    if attack == "step":
        death = kill_at_a_step(victim, CALLS[number % len(CALLS)], number * 0.618 % 1)
    else:
        death = kill_at_a_random_moment(victim, chance)
    victim.start()
    return death


def _rows(declaration: Declaration, technology: Technology, ends: dict[int, int]) -> Iterator[tuple[str, Any]]:
    descriptors = declaration.descriptors(declaration.learner.version)

    def level() -> bool:
        units = technology.units(descriptors[0])
        return {state.unit.partition: state.next for state in units} == ends

    until(level, CATCH_UP, f"{declaration.name} reaching the end of the log")
    for storage, descriptor in zip(declaration.storages.values(), descriptors, strict=True):
        yield storage.name, to_frame(storage, technology, descriptor)


@contextmanager
def _stage(target: Target, kafka: str, registry: str, folder: Path) -> Iterator[Stage]:
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as started:
        running = started.enter_context(closing(target.start(folder, free_port())))
        proxy = started.enter_context(closing(Proxy(running.url))) if target.remote else None
        yield started.enter_context(closing(Stage(target, running, proxy, kafka, registry, folder)))
