"""A dead worker is started again at once, and none outlives its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from learners.errors import LearnerRefused
from learners.supervisor import LONGEST_PAUSE, Supervisor, is_short, pause_after

SLEEPER = "import pathlib, sys, time, os; pathlib.Path(sys.argv[1], str(os.getpid())).touch(); time.sleep(60)"


def until(condition: Callable[[], bool], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def supervised(command: list[str], processes: int = 1) -> Iterator[Supervisor]:
    supervisor, stop = Supervisor(command, processes), Event()
    thread = Thread(target=supervisor.run, args=[stop])
    thread.start()
    try:
        yield supervisor
    finally:
        stop.set()
        thread.join(15)


def test_one_death_is_answered_at_once_and_only_short_lives_in_a_row_later_each_time() -> None:
    assert pause_after(0) == pause_after(1) == 0.0
    assert pause_after(2) == 0.2
    assert pause_after(3) == 0.4
    assert pause_after(20) == LONGEST_PAUSE


def test_a_worker_that_was_killed_comes_back_at_once_and_one_that_fails_only_after_it_has_worked_a_while() -> None:
    assert is_short(0.5, -signal.SIGKILL)
    assert not is_short(2.0, -signal.SIGKILL)
    assert is_short(2.0, 1)
    assert not is_short(60.0, 1)
    assert not is_short(2.0, 0)


def test_a_worker_that_fails_again_and_again_is_not_started_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learners.supervisor.SHORT_LIFE", 0.0)  # one that fails by itself has another limit
    program = "import pathlib, sys, os; pathlib.Path(sys.argv[1], str(os.getpid())).touch(); sys.exit(1)"
    with supervised([sys.executable, "-c", program, str(tmp_path)]):
        time.sleep(2)
    assert 2 <= len(list(tmp_path.iterdir())) <= 6


def test_each_process_has_its_number_and_a_killed_one_is_replaced_while_the_other_goes_on(tmp_path: Path) -> None:
    for number in "01":
        (tmp_path / number).mkdir()
    with supervised([sys.executable, "-c", SLEEPER, f"{tmp_path}/{{number}}"], processes=2) as supervisor:
        until(lambda: all(list((tmp_path / number).iterdir()) for number in "01"))
        first, second = supervisor.processes
        os.kill(first, signal.SIGKILL)
        until(lambda: len(list((tmp_path / "0").iterdir())) == 2)
        assert second in supervisor.processes
        assert len(list((tmp_path / "1").iterdir())) == 1


def test_workers_that_are_all_refused_are_not_started_again(tmp_path: Path) -> None:
    program = "import pathlib, sys, os; pathlib.Path(sys.argv[1], str(os.getpid())).touch(); sys.exit(78)"
    with pytest.raises(LearnerRefused, match="No worker can work"):
        Supervisor([sys.executable, "-c", program, str(tmp_path)]).run(Event())
    assert len(list(tmp_path.iterdir())) == 1


def test_a_refused_worker_leaves_one_that_works_alone(tmp_path: Path) -> None:
    program = f"import sys; sys.exit(78) if sys.argv[2] == '0' else None; {SLEEPER}"
    with supervised([sys.executable, "-c", program, str(tmp_path), "{number}"], processes=2) as supervisor:
        until(lambda: len(list(tmp_path.iterdir())) == len(supervisor.processes) == 1, patience=60)
        [works] = tmp_path.iterdir()
        assert alive(int(works.name))
        assert supervisor.processes == [int(works.name)]


def test_stopping_ends_every_child(tmp_path: Path) -> None:
    with supervised([sys.executable, "-c", SLEEPER, str(tmp_path)], processes=2):
        until(lambda: len(list(tmp_path.iterdir())) == 2)
    assert not any(alive(int(path.name)) for path in tmp_path.iterdir())


def test_a_child_dies_with_its_supervisor(tmp_path: Path) -> None:
    program = (
        "import sys, threading; from learners.supervisor import Supervisor;"
        f"Supervisor([sys.executable, '-c', {SLEEPER!r}, {str(tmp_path)!r}]).run(threading.Event())"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=root)
    until(lambda: len(list(tmp_path.iterdir())) == 1)
    parent.kill()
    parent.wait()
    child = int(next(tmp_path.iterdir()).name)
    until(lambda: not alive(child))
