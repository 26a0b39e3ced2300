"""The course of the proof. Progress goes to stderr; the last line on stdout is one JSON object of measured figures."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from benchmarks.local_stack import local_stack
from benchmarks.ports import free_port
from benchmarks.prove_storage import cassandra_rows, fenced, load
from benchmarks.prove_storage.faults import Faults, Plan, attack
from benchmarks.prove_storage.targets import TARGETS, Running
from benchmarks.report import conclude, say
from millrace.settings import Settings
from millrace.stack import StackError
from millrace.stack.redis import RedisServer

KILLS = 100
SECONDS = 1_000.0
"""For the attacks on all technologies; what one does not use is there for those after it."""
AROUND = 30.0
"""Of a technology's share so much is for its start, and for its workers to catch up and its rows to be compared."""
LEAST = {"fenced_vs_plain": 0.85, "cassandra_rows_vs_redis": 0.12, "load_vs_native": 0.5}
"""What each figure must reach."""
TECHNOLOGIES = ("redis", "cassandra", "sqlite", "postgresql", "search")
QUICKEST_FIRST = ("redis", "sqlite", "postgresql", "search", "cassandra")
REPORTED = ("kills", "zombies", "fenced", "lost", "doubled")


def main() -> None:
    """Run every part of the proof and print its figures; the exit code is 1 if they prove nothing."""
    with tempfile.TemporaryDirectory(prefix="millrace-proof-") as place:
        folder = Path(place)
        found = _all_faults(folder)
        figures: dict[str, Any] = {
            "technologies": {name: None if faults is None else _reported(faults) for name, faults in found.items()},
            "fenced_vs_plain": _figure("fenced_vs_plain", lambda: _fenced(folder)),
            "cassandra_rows_vs_redis": _figure("cassandra_rows_vs_redis", lambda: _cassandra_rows(folder)),
            "load_vs_native": _figure("load_vs_native", lambda: _load(folder)),
        }
    conclude(figures, list(_problems(found, figures)))


def _all_faults(folder: Path) -> dict[str, Faults | None]:
    """Each technology under attack, one after the other, with one Kafka for all of them."""
    found: dict[str, Faults | None] = dict.fromkeys(TECHNOLOGIES)
    until = time.monotonic() + SECONDS
    with local_stack(folder, redis_url="redis://elsewhere") as settings:
        for number, name in enumerate(QUICKEST_FIRST):
            share = (until - time.monotonic()) / (len(QUICKEST_FIRST) - number)
            found[name] = _faults(name, Plan(KILLS, seconds=share - AROUND), settings, folder / name)
    return found


def _faults(name: str, plan: Plan, settings: Settings, folder: Path) -> Faults | None:
    if name not in TARGETS:
        say(f"{name}: this technology cannot be attacked yet.")
        return None
    begun = time.monotonic()
    try:
        found = attack(TARGETS[name], plan, settings.kafka, settings.registry_url, folder)
    except StackError as error:
        say(f"{name}: it cannot be started here: {error}")
        return None
    say(
        f"{name}: {found.kills} kills with messages in hand at random moments and at {found.steps} different steps, "
        f"{found.zombies} zombies, the server killed {found.restarts} times, {found.cuts} connections cut; "
        f"{found.fenced} refusals; {found.events:,} events and {found.rows:,} rows compared: {found.lost} lost, "
        f"{found.doubled} doubled ({time.monotonic() - begun:.0f} s)"
    )
    return found


def _figure(name: str, measure: Callable[[], float]) -> float | None:
    """A measured ratio; None, and a sentence that says why, where it cannot be measured."""
    try:
        return round(measure(), 3)
    except StackError as error:
        say(f"{name} is not measured: {error}")
        return None


def _fenced(folder: Path) -> float:
    with closing(_redis(folder / "fenced")) as redis:
        return fenced.measure(redis.url)


def _cassandra_rows(folder: Path) -> float:
    with ExitStack() as started:
        redis = started.enter_context(closing(_redis(folder / "rows")))
        cassandra = started.enter_context(closing(TARGETS["cassandra"].start(_new(folder / "rows" / "cassandra"))))
        return cassandra_rows.measure(redis.url, cassandra.url)


def _load(folder: Path) -> float:
    with ExitStack() as started:
        redis = started.enter_context(closing(_redis(folder / "load")))
        postgresql = started.enter_context(closing(TARGETS["postgresql"].start(_new(folder / "load" / "postgresql"))))
        return load.measure(redis.url, postgresql.url)


def _redis(folder: Path) -> Running:
    """As the local stack has it."""
    return Running(RedisServer(_new(folder) / "redis", free_port()), folder / "redis.log")


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _reported(faults: Faults) -> dict[str, int]:
    return {name: getattr(faults, name) for name in REPORTED}


def _problems(found: dict[str, Faults | None], figures: dict[str, Any]) -> Iterator[str]:
    for name, faults in found.items():
        if faults is None:
            yield f"The proof has failed: {name} was not attacked."
        elif faults.lost or faults.doubled:
            yield f"The proof has failed: {name} has lost {faults.lost} effects and doubled {faults.doubled}."
        elif faults.kills < KILLS or not faults.zombies or not faults.fenced:
            yield f"The proof has failed: {name} was attacked too little ({_reported(faults)})."
    for name, least in LEAST.items():
        if figures[name] is None or figures[name] < least:
            yield f"The proof has failed: {name} is {figures[name]}, and must be {least} or more."


if __name__ == "__main__":
    main()
