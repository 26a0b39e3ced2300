"""A state folder belongs to one command at a time; a killed command leaves no lock behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from millrace.stack import lock
from millrace.stack.errors import StackError
from millrace.stack.lock import held

HOLD = """
import sys
from pathlib import Path
from millrace.stack.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder until it is killed or reads a line."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_next_command_waits_until_the_first_is_done(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        entered = threading.Event()

        def second() -> None:
            with held(tmp_path):
                entered.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.2)
        first.communicate("go\n")
        thread.join(10)
    assert entered.is_set()


def test_a_killed_command_leaves_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        first.kill()
        first.wait()
        with held(tmp_path):
            pass


def test_a_command_that_never_ends_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    with holder(tmp_path), pytest.raises(StackError, match=r"Another millrace command is at work in .*; wait for it"):
        with held(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"cannot be written \(.*\); correct that, or name another"):
        with held(tmp_path / "file" / "state"):
            pass
