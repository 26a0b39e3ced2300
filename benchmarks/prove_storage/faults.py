"""One technology under attack, and what must be true afterwards."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.prove_storage.attacks import (
    Death,
    describe,
    hits,
    kill_at_a_random_moment,
    kill_at_a_step,
    make_a_zombie,
    refusals,
)
from benchmarks.prove_storage.control import compared
from benchmarks.prove_storage.member import Member
from benchmarks.prove_storage.stage import MEMBERS, Stage, staged
from benchmarks.prove_storage.targets import Target
from benchmarks.report import say

CALLS = ("commit", "commit", "commit", "claim", "read")
"""Steps of commits, which matter most, three times as often."""
GOLDEN = 0.618
"""Multiples of it, without their whole part, go evenly over all places from 0 to 1."""
SILENCE = 0.05


@dataclass(frozen=True)
class Plan:
    """How much is done to a technology.

    Attributes:
        kills: so many must hit messages that had been delivered and not been committed.
        zombies: frozen in a commit, replaced by a new process under the same name, and woken.
        sleepers: frozen in a commit until their session has passed, and woken.
        restarts: of the server, after SIGKILL.
        cuts: of all its connections.
        seconds: after so long no further attack begins.
    """

    kills: int = 100
    zombies: int = 6
    sleepers: int = 1
    restarts: int = 3
    cuts: int = 20
    seconds: float = 180.0

    def attacks(self, chance: random.Random) -> deque[str]:
        """Everything in chance's order; half of the kills at random moments and half at steps of the worker's own."""
        found = ["kill"] * (self.kills // 2) + ["step"] * (self.kills - self.kills // 2)
        found += ["zombie"] * self.zombies + ["sleeper"] * self.sleepers
        found += ["restart"] * self.restarts + ["cut"] * self.cuts
        chance.shuffle(found)
        return deque(found)


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


def attack(target: Target, plan: Plan, kafka: str, registry: str, folder: Path, seed: int = 11) -> Faults:
    """Carry a plan out against a technology, and compare every row with an offline fold. Blocks for minutes.

    Args:
        kafka, registry: addresses.
        folder: for the data of the technology, and for logs and traces.

    Raises:
        StackError: the technology cannot be started on this machine.
        TimeoutError: the workers do not recover from what was done to them.
    """
    with staged(target, kafka, registry, folder) as stage:
        stage.begin()
        assault = Assault(stage, plan, seed)
        assault.run()
        difference = compared(stage.events, stage.finish())
        lines = list(stage.lines())
        steps = describe(lines)
        say(f"{target.name}: ended at {len(steps)} steps: {', '.join(f'{name} x{n}' for name, n in steps.items())}")
        return Faults(
            kills=hits(assault.deaths, lines),
            zombies=assault.zombies,
            fenced=refusals(lines),
            lost=difference.lost,
            doubled=difference.duplicated,
            events=len(stage.events),
            rows=difference.rows,
            steps=len(steps),
            restarts=stage.running.restarts,
            cuts=0 if stage.proxy is None else stage.proxy.cuts,
        )


class Assault:
    """Carries a plan out: each member has a tormentor of its own, so that both may be dead at once.

    Attributes:
        deaths: of processes that were killed.
        zombies: see `Faults`.
    """

    def __init__(self, stage: Stage, plan: Plan, seed: int) -> None:
        self._stage, self._plan, self._seed = stage, plan, seed
        self._attacks = plan.attacks(random.Random(seed))
        self._steps = itertools.count()
        self._over = threading.Event()
        self._frozen = threading.Lock()  # two frozen members at once would hold up each other's successors
        self._until = time.monotonic() + plan.seconds
        self.deaths: list[Death] = []
        self.zombies = 0

    def run(self) -> None:
        """Go on until enough kills have hit messages in hand, or the time is over. Blocks."""
        with ThreadPoolExecutor(MEMBERS, thread_name_prefix="tormentor") as pool:
            for done in [pool.submit(self._torment, number) for number in range(MEMBERS)]:
                done.result()

    def _torment(self, number: int) -> None:
        chance, victim = random.Random(self._seed + number), self._stage.members[number]
        try:
            while attack := self._next():
                self._carry_out(attack, victim, chance)
        finally:
            self._over.set()

    def _next(self) -> str | None:
        if self._over.is_set() or time.monotonic() > self._until:
            return None
        with suppress(IndexError):
            return self._attacks.popleft()
        if self._plan.zombies and not self.zombies:
            return "zombie"
        return "kill" if hits(self.deaths, self._stage.lines()) < self._plan.kills else None

    def _carry_out(self, attack: str, victim: Member, chance: random.Random) -> None:
        if attack == "kill":
            self.deaths.append(kill_at_a_random_moment(victim, chance))
            victim.start()
        elif attack == "step":
            number = next(self._steps)
            self.deaths.append(kill_at_a_step(victim, CALLS[number % len(CALLS)], number * GOLDEN % 1))
            victim.start()
        elif attack in ("zombie", "sleeper"):
            others = [member for member in self._stage.members if member is not victim]
            target = self._stage.target
            local = not (target.derived or target).remote  # frozen within a transaction on a file it holds up everybody
            place = 0.0 if local or self.zombies % 2 == 0 else chance.random() / 2
            with self._frozen:
                self.zombies += make_a_zombie(victim, others, place, replaced=attack == "zombie")
        elif attack == "restart":
            self._stage.running.restart()
        elif self._stage.proxy is not None:
            victim.until_line("delivered", victim.process)
            self._stage.proxy.cut(chance.choice((0.0, SILENCE)))
