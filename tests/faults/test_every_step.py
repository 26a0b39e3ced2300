"""A process is killed, or frozen and woken, at every single step of a commit: what follows is exactly the fold."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from benchmarks.prove_storage.member import until
from benchmarks.prove_storage.nursery import Nursery
from benchmarks.prove_storage.one_commit import AFTER, BEFORE, END, commit, storages, unit, writes
from benchmarks.prove_storage.targets import TARGETS, Target
from storage.errors import StorageUnavailable
from storage.relational.relational import Relational
from storage.relational.sqlite import Sqlite
from storage.technologies import kind, opened
from storage.technology import Technology
from storage.unit import Claim

STEPS = int(os.environ.get("MILLRACE_STEPS", "5"))
"""So many steps of each technology are tried, evenly; `make faults` tries all of them."""


@dataclass
class Stage:
    """One technology, and the processes that commit to it."""

    target: Target
    technology: Technology
    url: str
    nursery: Nursery
    folder: Path

    def begin(self, last: int | None, fate: str = "SIGKILL") -> Run:
        """A learner of its own, whose process commits until this step."""
        learner = f"steps_{uuid4().hex}"
        for descriptor in storages(self.target.technology, learner):
            self.technology.declare(descriptor)
        trace = self.folder / f"{learner}.jsonl"
        name = self.target.technology
        arguments = {"technology": name, "url": self.url, "learner": learner, "last": last, "fate": fate}
        process = self.nursery.born({**arguments, "trace": str(trace)}, "one_commit")
        return Run(self, learner, trace, process)


@dataclass
class Run:
    """One process, and the rows of its learner."""

    stage: Stage
    learner: str
    trace: Path
    process: int

    def said(self, kind: str) -> list[Any]:
        """What it has traced."""
        lines = self.trace.read_text("utf-8").splitlines() if self.trace.exists() else []
        return [line[kind] for line in map(json.loads, lines) if kind in line]

    def gone(self, wait: float = 60.0) -> bool:
        return self.stage.nursery.gone(self.process, wait)

    def stands_still(self) -> bool:
        """Whether it is frozen; it says its step before, and to be woken before would not wake it."""
        return bool(psutil.Process(self.process).status() == psutil.STATUS_STOPPED)

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.process, number)

    def take_over(self) -> None:
        """Claim the unit, look at what can be read back, and fold the rest of the log."""
        technology, name = self.stage.technology, self.stage.target.technology
        claim = technology.claim(unit(self.learner), uuid4().hex)
        assert claim.next in (BEFORE, AFTER)
        self._read_back(claim, claim.next)
        if claim.next == BEFORE:
            assert commit(technology, claim, name, BEFORE, AFTER) == "OK"
        assert commit(technology, claim, name, AFTER, END) == "OK"

    def compare(self) -> None:
        """Every row is that of the whole log."""
        name, found = self.stage.target.technology, {}
        for descriptor in storages(name, self.learner):
            found.update(dict(self.stage.technology.dump(descriptor)))
        wanted = writes(name, self.learner, 0, END)
        assert found == {**wanted.puts, **wanted.sums}
        [state] = self.stage.technology.units(storages(name, self.learner)[0])
        assert state.next == END

    def _read_back(self, claim: Claim, position: int) -> None:
        if "load" not in kind(self.stage.target.technology).lacks:
            rows = writes(self.stage.target.technology, self.learner, 0, position).puts
            assert self.stage.technology.read(claim, position, list(rows)) == list(rows.values())


@pytest.fixture(scope="module", params=[name for name, target in TARGETS.items() if target.derived is None])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    target, folder = TARGETS[request.param], tmp_path_factory.mktemp("steps")
    if target.name == "sqlite":
        url = f"sqlite:///{folder / 'rows.db'}"
        opening: Technology = Relational(Sqlite(url, timeout=1.0))  # so long it waits for a frozen process's lock
    else:
        url = address(request, target)
        opening = opened(target.technology, url)
    with closing(opening) as technology, closing(Nursery(folder / "processes.log")) as nursery:
        yield Stage(target, technology, url, nursery, folder)


def address(request: pytest.FixtureRequest, target: Target) -> str:
    """Where the technology's server is."""
    if target.name == "redis_cluster":
        nodes = [f"127.0.0.1:{port}" for port in request.getfixturevalue("redis_cluster_ports")]
        return f"redis+cluster://{','.join(nodes)}"
    return str(request.getfixturevalue(f"{target.name}_url"))


@pytest.fixture(scope="module")
def numbers(stage: Stage) -> list[int]:
    """The steps to be tried: of those that every commit has, as one that waits takes a step more."""
    counts = []
    for _ in range(3):
        run = stage.begin(None)
        assert run.gone()
        counts += run.said("steps")
    assert len(counts) == 3
    count = min(counts)
    return sorted({round(place * (count - 1) / max(1, STEPS - 1)) for place in range(STEPS)})


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(900)
def test_killed_at_any_step_of_a_commit_its_successor_makes_it_whole(stage: Stage, numbers: list[int]) -> None:
    steps = {}
    for number in numbers:
        run = stage.begin(number)
        assert run.gone()
        steps[number] = run.said("step")
        if steps[number]:
            run.take_over()
        run.compare()
    print(steps)
    beyond = [number for number, step in steps.items() if not step]
    assert len(beyond) <= max(1, 0.1 * len(steps)), "A commit takes a step more or less when it waits."


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(900)
def test_frozen_at_any_step_of_a_commit_and_woken_it_changes_nothing(stage: Stage, numbers: list[int]) -> None:
    for number in numbers:
        run = stage.begin(number, "SIGSTOP")
        until(lambda run=run: run.stands_still() or run.gone(0), 60, "the step")  # type: ignore[misc]
        if not run.said("step"):  # it had a step less than the one before
            run.compare()
            continue
        held = not taken_over(run)
        run.tell(signal.SIGCONT)
        assert run.gone()
        assert run.said("outcome") == ["OK", "OK"] if held else run.said("outcome")[-1:] in ([], ["FENCED"])
        run.compare()


def taken_over(run: Run) -> bool:
    """False where the frozen process holds a lock: SQLite's file is one process's at a time."""
    with suppress(StorageUnavailable):
        run.take_over()
        return True
    assert run.stage.target.name == "sqlite"
    return False
