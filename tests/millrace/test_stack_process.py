"""What the stack starts it finds again, and what it stops is what it started: known by process id and birth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from millrace.stack.birth import birth
from millrace.stack.errors import StackError
from millrace.stack.process import Processes, ProcessRecord, last_lines

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes of a folder of their own; all are stopped at the end."""
    found = Processes(tmp_path / "processes", tmp_path / "logs")
    yield found
    found.stop(found.records(), patience=0.0)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that nobody here started through `Processes`."""
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def ended(process: psutil.Process) -> bool:
    """Whether it has ended; nobody need have asked for its exit code."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def until_it_says(processes: Processes, record: ProcessRecord, word: str) -> None:
    """Wait until the process has written the word."""
    while word not in Path(record.log).read_text():
        assert record.process() is not None


def test_a_started_process_is_found_by_another_command_and_stopped(processes: Processes, tmp_path: Path) -> None:
    record = processes.start("worker", SLEEP, "here:1")
    elsewhere = Processes(tmp_path / "processes", tmp_path / "logs")
    assert elsewhere.records() == {"worker": record}
    process = record.process()
    assert process is not None
    elsewhere.stop(["worker"])
    assert record.process() is None
    assert ended(process)
    assert elsewhere.records() == {}


def test_a_started_process_belongs_to_no_terminal(processes: Processes) -> None:
    record = processes.start("worker", SLEEP)
    assert os.getsid(record.pid) == record.pid


def test_its_output_is_in_a_log_that_begins_anew_with_each_start(processes: Processes) -> None:
    for word in ("first", "second"):
        record = processes.start("worker", ["/bin/sh", "-c", f"echo {word}; echo wrong >&2; exec sleep 600"])
        until_it_says(processes, record, "wrong")
        assert last_lines(Path(record.log)) == f"  {word}\n  wrong"
        processes.stop(["worker"])


def test_a_name_runs_once(processes: Processes) -> None:
    record = processes.start("worker", SLEEP)
    with pytest.raises(StackError, match=rf"worker runs already \(process {record.pid}\); stop it with: millrace down"):
        processes.start("worker", SLEEP)


def test_another_process_that_got_the_id_is_left_alone(
    processes: Processes, bystander: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (tmp_path / "processes").mkdir()
    older = ProcessRecord("worker", bystander.pid, birth(os.getpid()) or "", "", "")
    (tmp_path / "processes" / "worker.json").write_text(json.dumps(asdict(older)))
    assert processes.records()["worker"].process() is None
    processes.stop(["worker"])
    assert bystander.poll() is None
    assert processes.records() == {}


def test_only_what_is_named_is_stopped(processes: Processes) -> None:
    stays, goes = processes.start("stays", SLEEP), processes.start("goes", SLEEP)
    processes.stop(["goes"])
    assert stays.process() is not None
    assert goes.process() is None


def test_one_that_ignores_the_request_is_killed_with_its_children(processes: Processes) -> None:
    script = "trap '' TERM; sleep 600 & echo ready; while true; do wait; done"
    record = processes.start("stubborn", ["/bin/sh", "-c", script])
    until_it_says(processes, record, "ready")
    process = record.process()
    assert process is not None
    (child,) = process.children()
    processes.stop(["stubborn"], patience=0.1)
    assert record.process() is None
    assert ended(child)


def test_one_that_ended_by_itself_is_known_to_have_ended(processes: Processes) -> None:
    record = processes.start("short", ["/bin/sh", "-c", "exit 3"])
    while record.process() is not None:
        pass
    assert list(processes.records()) == ["short"]
    processes.start("short", SLEEP)


def test_a_program_that_is_not_there_is_named(processes: Processes) -> None:
    with pytest.raises(StackError, match=r"^kafka could not be started \(no/such/java: No such file or directory\)"):
        processes.start("kafka", ["no/such/java"])


def test_a_process_whose_record_cannot_be_written_does_not_stay(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "processes" / "worker.json").mkdir(parents=True)
    before = set(psutil.Process().children())
    with pytest.raises(StackError, match="worker could not be started"):
        processes.start("worker", SLEEP)
    assert set(psutil.Process().children()) == before
    assert [file.name for file in (tmp_path / "processes").iterdir()] == ["worker.json"]


def test_a_file_that_is_no_record_is_passed_over(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "half.json").write_text('{"name": "ha')
    assert processes.records() == {}


def test_a_birth_stays_the_same_and_ends_with_its_process() -> None:
    with subprocess.Popen(SLEEP) as process:
        born = birth(process.pid)
        assert born is not None
        assert birth(process.pid) == born
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert birth(process.pid) is None
