"""What is done to the workers and their storage, and the evidence of what each attack has hit."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.prove_storage.member import Line, Member, until
from benchmarks.prove_storage.steps import Step


@dataclass(frozen=True)
class Death:
    """A process that was killed.

    Attributes:
        delivered: how far messages had reached it, per partition.
        at: when, in seconds since 1970.
    """

    delivered: Mapping[tuple[str, int], int]
    at: float

    def hit(self, lines: Iterable[Line]) -> bool:
        """Whether it died with messages that had been delivered and not been committed.

        True when the next claim of one of its partitions began below what had been delivered: these events were in
        the hands of the dead process, and were folded again by its successor.
        """
        claims: dict[tuple[str, str, int], tuple[float, int]] = {}
        for line in lines:
            if "claimed" in line and line["at"] > self.at:
                topic, partition, position = line["claimed"]
                first = line["at"], position or 0
                unit = line["learner"], topic, partition
                claims[unit] = min(claims.get(unit, first), first)
        return any(
            position < self.delivered.get((topic, partition), 0)
            for (_, topic, partition), (_, position) in claims.items()
        )


def kill_at_a_random_moment(victim: Member, chance: random.Random) -> Death:
    """SIGKILL shortly after messages reached it."""
    victim.until_line("delivered", victim.process)
    time.sleep(chance.random() * 0.03)
    return _killed(victim)


def kill_at_a_step(victim: Member, call: str, place: float, patience: float = 6.0) -> Death:
    """Start it anew so that it kills itself at a step of its own work; see `Steps`."""
    victim.kill()
    victim.start(Step(call, place, "kill"))
    with suppress(TimeoutError):  # where it has fewer steps than the calls before it had
        until(victim.is_gone, patience, f"the step of {victim}")
    return _killed(victim)


def make_a_zombie(victim: Member, others: Iterable[Member], place: float, replaced: bool) -> bool:
    """Freeze it within a commit, let its units be claimed by others, and wake it: its commit comes late.

    Args:
        replaced: a new process takes over under the same name, at once; otherwise the other members do, when its
            session has passed.

    Returns:
        whether its units were claimed by others while it was frozen, and the fence refused it afterwards.
    """
    victim.kill()
    victim.start(Step("commit", place, "freeze"))
    zombie = victim.process
    try:
        until(lambda: victim.has_line("step", zombie), 6.0, f"the step of {victim}")
    except TimeoutError:
        return False
    at, held = time.time(), {partition for _, partition in victim.delivered(zombie)}
    if replaced:
        victim.start()
    takers = [victim] if replaced else list(others)

    def taken() -> bool:
        lines = [line for taker in takers for line in (taker.look(), taker.lines)[1]]
        return held <= {line["claimed"][1] for line in lines if "claimed" in line and line["at"] > at}

    try:
        until(taken, 30, f"another process taking over from {zombie}")
        victim.thaw(zombie)
        until(lambda: victim.has_line("refused", zombie), 5.0, f"the fence refusing {zombie}")
    except TimeoutError:
        return False
    finally:
        victim.kill(zombie)
        if not replaced:
            victim.start()
    return True


def _killed(victim: Member) -> Death:
    process = victim.process
    victim.kill()
    return Death(victim.delivered(process), time.time())


def describe(lines: Iterable[Line]) -> dict[str, int]:
    """How often processes ended at each step, by its name."""
    found: dict[str, int] = {}
    for line in lines:
        if "step" in line:
            found[line["step"]] = found.get(line["step"], 0) + 1
    return dict(sorted(found.items()))


def refusals(lines: Iterable[Line]) -> int:
    """How often a fence has refused to read or write."""
    return sum("refused" in line for line in lines)
