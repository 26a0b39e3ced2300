"""The same worker over the other storages, beside Redis: all with a commit every 250 ms."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.prove_storage.targets import TARGETS
from benchmarks.prove_streams import contestants
from benchmarks.prove_streams.contestants import Contestant
from benchmarks.prove_streams.progress import Counting, Standstill, begun
from benchmarks.prove_streams.stage import learning
from benchmarks.prove_streams.turns import Rates, ratio
from benchmarks.report import say
from millrace.settings import Settings
from millrace.stack import StackError

INTERVAL_MS = 250
JAVA = ("cassandra",)
"""Servers that compile what they do while they do it: for a while after their start they take three times as long."""
WARM = 2.0
"""So many times as long as a turn such a server works before the first."""
FOLDS = ("item", "user")
OTHERS = ("postgresql", "cassandra")
NAMES = tuple(f"{fold} {technology}" for technology in ("redis", *OTHERS) for fold in FOLDS)
LEAST = {
    "postgresql_vs_redis.item": 0.5,
    "postgresql_vs_redis.user": 0.3,
    "cassandra_vs_redis.item": 0.5,
    "cassandra_vs_redis.user": 0.12,
}


@contextmanager
def running(folder: Path, settings: Settings, seconds: float) -> Iterator[dict[str, Contestant]]:
    """Who counts on which storage, by name; the servers run for the time of the block. A storage counts each fold once,
    as it remembers how far it is. One that cannot be had is left out.

    Args:
        seconds: of a turn.
    """
    with ExitStack() as servers:
        found = {_name(fold, "redis"): partial(_on_redis, fold) for fold in FOLDS}
        for name in OTHERS:
            target = TARGETS[name]
            place = folder / name
            place.mkdir(parents=True)
            try:
                server = target.start(place)
                servers.callback(server.close)
                if name in JAVA:
                    with _on(target.technology, f"{server.url}_before", "user", place / "before", settings) as counting:
                        begun(name, counting)
                        time.sleep(WARM * seconds)
            except (StackError, Standstill) as error:
                say(f"{name} cannot be had here: {error}")
                continue
            found |= {_name(fold, name): partial(_on, target.technology, server.url, fold) for fold in FOLDS}
        yield found


def ratios(rates: Rates) -> dict[str, float | None]:
    """Events per second on each of the others by those on Redis."""
    return {
        f"{name}_vs_redis.{fold}": ratio(rates, _name(fold, name), _name(fold, "redis"))
        for name in OTHERS
        for fold in FOLDS
    }


@contextmanager
def _on_redis(fold: str, folder: Path, settings: Settings) -> Iterator[Counting]:
    with contestants.ours(fold, folder, replace(settings, commit_interval_ms=INTERVAL_MS)) as counting:
        yield counting


@contextmanager
def _on(technology: str, url: str, fold: str, folder: Path, settings: Settings) -> Iterator[Counting]:
    folder.mkdir(parents=True)
    changes = {f"{technology}_url": url, "default_technology": technology, "commit_interval_ms": INTERVAL_MS}
    with learning(folder, replace(settings, **changes), fold) as counting:  # type: ignore[arg-type]
        yield counting


def _name(fold: str, technology: str) -> str:
    return f"{fold} {technology}"
