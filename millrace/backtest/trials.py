"""Many trials at the same time, each in a process of its own; what is done stays done, whoever is killed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product as grid
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from millrace.backtest.candidate import Candidate, Trial
from millrace.constants import constant_of
from millrace.settings import Settings
from schemas.errors import MillraceError
from serving.whole_file import put

PLAN = "plan.json"
MOST = 1_000
"""Trials of one command."""
Seen = Callable[[int, float], None]
"""Is told how far a trial is, by its number: from 0 to 1."""


def results_of(settings: Settings) -> Path:
    """The folder of all results."""
    return settings.state_dir / "backtests"


class TrialFailed(MillraceError):
    """A trial has ended with an error; the message is its own."""


class NotKept(MillraceError):
    """A file is not what a trial has written: damaged, or of another release."""


@contextmanager
def _kept_in(file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise NotKept(f"{file} does not hold what a backtest keeps there; --again begins anew.") from error


def sweep_of(options: Sequence[str], learners: int = 1) -> list[dict[str, Any]]:
    """Every combination of constants: `["RATE=0.1,0.2", "SIZE=5,10"]` gives four.

    Args:
        learners: that each is tried with.

    Raises:
        MillraceError: an option is no name with values, or names what another one does; or they are too many.
    """
    axes: dict[str, list[Any]] = {}
    for option in options:
        name, _, values = option.partition("=")
        if not values or not all(part.isidentifier() for part in name.split(".")):
            raise MillraceError(f"--sweep {option!r} is no constant with values; write it as RATE=0.05,0.1.")
        if name in axes:
            raise MillraceError(f"--sweep names {name} twice; give all its values at once, as {name}=1,2.")
        axes[name] = [constant_of(value) for value in values.split(",")]
    count = learners * prod(map(len, axes.values()))
    if count > MOST:
        raise MillraceError(
            f"--sweep makes {count:,} trials, each a pass over all events; at most {MOST:,} are run. Give fewer "
            "values, or find the best of one constant first and keep it while you try the next."
        )
    return [dict(zip(axes, values, strict=True)) for values in grid(*axes.values())]


@dataclass(frozen=True)
class Kept:
    """Where a command's trials and their results are kept: a folder whose name says what is tried, on which code.

    Attributes:
        trials: as they were planned when the command was first given, so that all of them see the same events.
    """

    folder: Path
    trials: Sequence[Trial]

    @classmethod
    def of(cls, below: Path, trials: Sequence[Trial], said: Sequence[str], again: bool) -> Kept:
        """Take up what the same command has begun, or begin.

        Args:
            said: the command, as it was given.
            again: begin anew in any case.
        """
        folder = below / trials[0].folder.resolve().name / _fingerprint(trials[0], said)
        if again and folder.exists():
            for file in folder.glob("*.json"):
                file.unlink()
        if not (folder / PLAN).exists():
            _write(folder / PLAN, {"command": list(said), "trials": [trial.to_json() for trial in trials]})
        return cls.there(folder)

    @classmethod
    def there(cls, folder: Path) -> Kept:
        """What is in a folder. Raises: NotKept, OSError."""
        with _kept_in(folder / PLAN):
            first, *others = (Trial.of_json(item) for item in json.loads((folder / PLAN).read_bytes())["trials"])
            return cls(folder, [first, *others])

    def found(self, number: int) -> list[Candidate] | None:
        """What a trial has found; None before it has ended. Raises: NotKept, OSError."""
        file = self.folder / f"{number}.json"
        with _kept_in(file):
            return msgspec.convert(json.loads(file.read_bytes()), list[Candidate]) if file.exists() else None

    def keep(self, number: int, found: Sequence[Candidate]) -> None:
        """Keep what a trial has found; it is there whole, or not at all."""
        _write(self.folder / f"{number}.json", [asdict(item) for item in found])


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_trials(kept: Kept, processes: int | None, seen: Seen) -> list[Candidate]:
    """Run what has not ended yet, so many at the same time; returns what all have found. Blocks.

    Args:
        processes: None = one for each core; never more than there are trials.

    Raises:
        TrialFailed: one has failed; those that have ended are kept.
    """
    left = [number for number in range(len(kept.trials)) if kept.found(number) is None]
    processes = max(1, min(processes or cores(), len(left)))
    stop = threading.Event()

    def one(number: int) -> None:
        if not stop.is_set():
            found = _in_a_process(kept.trials[number], processes, lambda part: seen(number, part), stop)
            kept.keep(number, found)
            seen(number, 1.0)

    with ThreadPoolExecutor(processes, thread_name_prefix="trial") as executor:
        running = [executor.submit(one, number) for number in left]
        try:
            for each in running:
                each.result()
        finally:
            stop.set()
    return [item for number in range(len(kept.trials)) for item in kept.found(number) or ()]


def _in_a_process(
    trial: Trial, processes: int, seen: Callable[[float], None], stop: threading.Event
) -> list[Candidate]:
    """It ends when this process does, as its input ends then."""
    threads = str(max(1, cores() // processes))
    started = subprocess.Popen(
        [sys.executable, "-m", "millrace.backtest.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "POLARS_MAX_THREADS": threads},
    )
    assert started.stdin is not None
    assert started.stdout is not None
    last: dict[str, Any] = {}
    try:
        started.stdin.write(json.dumps(trial.to_json()).encode() + b"\n")
        started.stdin.flush()
        for text in started.stdout:
            last = line = json.loads(text)
            if stop.is_set():
                break
            if "part" in line:
                seen(line["part"])
    finally:
        started.kill()
        started.wait()
        started.stdin.close()
        started.stdout.close()
    if "found" not in last:
        raise TrialFailed(last.get("error", f"A trial has ended without a result: {trial.to_json()}."))
    return [Candidate(**item) for item in last["found"]]


def _fingerprint(trial: Trial, said: Sequence[str]) -> str:
    """Of a command, the product's files and the file of events, so that nothing else is taken for what was tried."""
    folder, source = trial.folder.resolve(), Path(trial.source)
    events = [source.stat().st_size, source.stat().st_mtime_ns] if source.is_file() else []
    digest = hashlib.sha256(json.dumps([*said, str(source.absolute()), *events]).encode())
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".py", ".toml", ".avsc"):
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _write(file: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    put(file, json.dumps(value, default=str).encode())
