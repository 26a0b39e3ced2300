"""The command line: quick help with examples, exit codes that scripts can trust, one sentence where it cannot go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from learners import REFUSED, LearnerRefused
from millrace.cli import app
from schemas.errors import IncompatibleSchema, RegistryUnavailable
from storage.errors import StorageBusy, StorageConflict
from streams import KafkaUnavailable
from tests.conftest import free_ports
from tests.millrace import command_line
from tests.millrace.command_line import Done
from tests.millrace.served import closed

HEAVY = (
    "polars",
    "pyarrow",
    "numpy",
    "confluent_kafka",
    "redis",
    "hiredis",
    "fastavro",
    "starlette",
    "uvicorn",
    "httpx",
)
QUICK = 0.3
"""Seconds that the help text may take."""

LOADED = """
import sys
sys.argv = ["millrace", "--help"]
from millrace.cli import main
try:
    main()
finally:
    sys.stderr.write(" ".join(sys.modules))
"""


TAP = """from datetime import datetime

import millrace as mr


class Tap(mr.Event, topic="taps", key="user"):
    user: str
    at: datetime
"""
TAPS = """import millrace as mr

from .events import Tap


class Taps(mr.EventLearner[Tap]):
    taps = mr.Counters("taps")

    def learn(self, event: Tap) -> None:
        self.taps.add_one("all", event.user)
"""


def run(folder: Path, *arguments: str, **variables: str) -> Done:
    """Run `millrace` in a folder where nothing runs: every port of its settings is closed."""
    return command_line.run(folder, *arguments, variables={**closed(), **variables})


def commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """The names of every command that the help shows, such as `("schemas", "check")`."""
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        yield names
    for name, sub in inner.items():
        if not sub.hidden:
            yield from commands(sub, *names, name)


COMMANDS = list(commands(typer.main.get_command(app)))


def test_help_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Usage: millrace" in done.stdout
    assert set(HEAVY) & set(done.stderr.split()) == set()


def test_help_answers_at_once(tmp_path: Path) -> None:
    def seconds() -> float:
        """Of the processor, which other work on the machine does not change."""
        begun = os.times()
        subprocess.run([sys.executable, "-m", "millrace", "--help"], cwd=tmp_path, capture_output=True, check=True)
        ended = os.times()
        return ended.children_user + ended.children_system - begun.children_user - begun.children_system

    assert min(seconds() for _ in range(3)) < QUICK


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example_of_it(names: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert f"Example: millrace {' '.join(names)}" in shown.stdout


def test_the_commands_are_those_that_the_documents_name() -> None:
    assert {" ".join(names) for names in COMMANDS} >= {
        *("up", "down", "status", "registry", "learn", "serve", "demo", "backtest", "check", "storages"),
        *("schemas register", "schemas check", "schemas list", "experiments show"),
        *("experiments list", "experiments start", "experiments ramp", "experiments ship", "experiments stop"),
        *("dead-letters list", "dead-letters show", "dead-letters replay", "dead-letters stops", "dead-letters resume"),
        *("experiments rollback", "experiments history", "experiments shadow", "experiments compare"),
    }


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--nonsense"], ["check"], ["status", "-o", "xml"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "Usage: " in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["learn"], ["serve"], ["demo"], ["check"], ["backtest", "--from", "dataset"]],
    ids=lambda found: found[0],
)
def test_a_folder_that_is_not_there_is_one_sentence_and_exit_code_1(arguments: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, *arguments, "nowhere")
    assert_one_sentence(done, f"There is no folder {tmp_path / 'nowhere'}; name the folder of a data product.")


@pytest.mark.parametrize("arguments", [["learn"], ["serve"], ["check"]], ids=lambda found: found[0])
def test_a_folder_that_is_no_product_says_so(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_one_sentence(run(tmp_path, *arguments, "empty"), "it is no data product")


@pytest.mark.parametrize("dataset", [None, "FOUND = []\n"])
def test_a_check_of_a_product_without_a_data_set_says_what_to_write(dataset: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "taps"
    folder.mkdir()
    (folder / "events.py").write_text(TAP, "utf-8")
    (folder / "learners.py").write_text(TAPS, "utf-8")
    if dataset is not None:
        (folder / "dataset.py").write_text(dataset, "utf-8")
    done = run(tmp_path, "check", "taps")
    assert_one_sentence(done, f"taps has no data set. Write {folder / 'dataset.py'}, a function `events(shifted=")
    assert "that yields Tap in order of time: `millrace check` tries the learners on them" in done.stderr


def test_schemas_of_nothing_are_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "schemas", "check", "nowhere")
    assert_one_sentence(done, "nowhere is no .avsc file, holds none and is no data product; name one of these.")


def test_a_setting_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "status", MILLRACE_SERVICE_PORT="http")
    assert_one_sentence(done, "the environment sets service_port to 'http', which is no int; correct it.")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["schemas", "list"], "registry"),
        (["storages"], "redis"),
        (["experiments", "show"], "No models service answers at"),
    ],
    ids=lambda found: found[0] if isinstance(found, list) else "",
)
def test_a_part_that_does_not_answer_is_one_sentence(arguments: list[str], word: str, tmp_path: Path) -> None:
    assert_one_sentence(run(tmp_path, *arguments), word)


def test_a_registry_whose_port_is_busy_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        done = run(tmp_path, "registry", "--port", str(busy.getsockname()[1]))
    assert_one_sentence(done, "or choose another port with --port ")


def test_as_a_program_it_ends_with_its_exit_code_and_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "millrace", "check", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert_one_sentence(Done(done.returncode, done.stdout, done.stderr), "There is no folder")


def test_an_interrupted_command_is_exit_code_130_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "millrace", "registry", "--port", str(free_ports(1)[0])]
    settings = {**os.environ, "MILLRACE_KAFKA": f"127.0.0.1:{free_ports(1)[0]}"}
    with subprocess.Popen(command, cwd=tmp_path, env=settings, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("Waiting up to 60 s for Kafka")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait() == 130
        assert waiting.stderr.read() == ""


def test_json_output_is_one_document_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "status", "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(json.loads(done.stdout)) == ["kafka", "registry", "redis", "service"]
    assert {part["state"] for part in json.loads(done.stdout).values()} == {"stopped"}


def assert_one_sentence(done: Done, sentence: str) -> None:
    """Exit code 1, nothing on stdout, and on stderr one line that says it."""
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("millrace: ")
    assert done.stderr.count("\n") == 1
    assert sentence.lower() in done.stderr.lower()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageConflict("clicks@1 exists already"), REFUSED),
        (LearnerRefused("Learner clicks declares nothing"), REFUSED),
        (IncompatibleSchema("orders-value", ["price has no default"]), REFUSED),
        (RegistryUnavailable("The registry does not answer"), 1),
        (StorageBusy("clicks@1 is being deleted"), 1),
        (KafkaUnavailable("Kafka does not answer"), 1),
    ],
    ids=lambda found: type(found).__name__,
)
def test_a_worker_says_by_its_exit_code_whether_it_is_of_use_to_start_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int
) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr("millrace.worker.run_worker", refused)
    result = CliRunner().invoke(app, ["worker", str(tmp_path), "worker-0"])
    assert result.exit_code == code
    assert code == 1 or result.stderr == f"millrace: {error}\n"
