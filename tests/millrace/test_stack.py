"""`millrace up`, `status` and `down` with a real Redis: started once, found again, and nothing else is touched."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from millrace.settings import Settings
from millrace.stack import Stack, StackError
from millrace.stack import redis as redis_module
from millrace.stack.process import ProcessRecord
from millrace.stack.redis import RedisServer
from tests.millrace.stack_folder import StackFolder

pytestmark = pytest.mark.usefixtures("redis_url")  # skips where no Redis can be had


@pytest.fixture
def here(tmp_path: Path) -> Iterator[StackFolder]:
    """A folder whose stack is a Redis only: it starts at once."""
    found = StackFolder(tmp_path, "redis")
    yield found
    found.stack.down()


def test_up_starts_what_is_missing_and_says_where_it_answers(here: StackFolder) -> None:
    done = here.run("up")
    assert done.returncode == 0
    assert f"redis answers at {here.settings.redis_url} after " in done.stdout
    assert done.stderr == ""
    assert here.states() == {"kafka": "elsewhere", "registry": "elsewhere", "redis": "running", "service": "stopped"}


def test_status_as_json_names_the_address_of_every_part(here: StackFolder) -> None:
    found = json.loads(here.run("status", "--output", "json").stdout)
    assert {name: part["address"] for name, part in found.items()} == {
        "kafka": "elsewhere:9092",
        "registry": "http://elsewhere",
        "redis": here.settings.redis_url,
        "service": here.settings.service_url,
    }
    assert not here.settings.state_dir.exists()


def test_a_second_up_starts_nothing_again(here: StackFolder) -> None:
    assert here.stack.up() == ("redis",)
    process = here.status()["redis"]["pid"]
    assert here.stack.up() == ()
    assert here.status()["redis"]["pid"] == process


def test_its_rows_are_there_after_down_and_up(here: StackFolder) -> None:
    here.stack.up()
    assert ask(here.settings, "SET key value") == "+OK"
    here.stack.down()
    here.stack.up()
    assert ask(here.settings, "STRLEN key") == ":5"


def test_down_stops_only_what_this_folder_started(here: StackFolder, tmp_path: Path) -> None:
    other = StackFolder(tmp_path / "other", "redis")
    here.stack.up()
    other.stack.up()
    try:
        done = here.run("down")
        assert (done.returncode, here.states()["redis"], other.states()["redis"]) == (0, "stopped", "running")
        assert ask(other.settings, "PING") == "+PONG"
    finally:
        other.stack.down()


def test_down_where_nothing_ran_leaves_no_trace(here: StackFolder) -> None:
    assert here.run("down").returncode == 0
    assert not here.settings.state_dir.exists()


def test_a_redis_that_somebody_else_started_is_neither_used_nor_stopped(here: StackFolder, tmp_path: Path) -> None:
    here.stack.up()
    other = StackFolder(tmp_path / "other", "redis", redis_url=here.settings.redis_url)
    done = other.run("up")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"which redis needs, is in use by the local stack of {here.folder}, which runs." in done.stderr
    assert "stop it there: millrace down. For a second one beside it choose other ports: MILLRACE_REDIS" in done.stderr
    assert done.stderr.count("\n") == 1
    assert other.states()["redis"] == "elsewhere"
    assert other.run("down").stdout == "Nothing runs that was started in this folder.\n"
    assert here.states()["redis"] == "running"


def test_one_that_died_is_seen_and_started_again(here: StackFolder) -> None:
    here.stack.up()
    os.kill(here.status()["redis"]["pid"], signal.SIGKILL)
    while here.states()["redis"] != "died":
        time.sleep(0.005)
    assert here.stack.up() == ("redis",)
    assert here.states()["redis"] == "running"


def test_two_at_once_start_one(here: StackFolder) -> None:
    with here.command("up", "-o", "json") as first, here.command("up", "-o", "json") as second:
        said = [process.communicate() for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert said[0] == said[1]


def test_another_port_in_the_settings_of_a_running_stack_is_refused(here: StackFolder) -> None:
    here.stack.up()
    runs = re.escape(f"redis runs at {here.settings.redis_url}, started from this folder, and the settings say")
    with pytest.raises(StackError, match=runs):
        Stack(replace(here.settings, redis_url="redis://127.0.0.1:1/0")).up()


def test_a_server_that_refuses_its_data_shows_the_end_of_its_log(here: StackFolder) -> None:
    folder = here.settings.state_dir / "redis"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof").write_text("this is no append-only file\n")
    with pytest.raises(StackError, match=r"redis ended while it was starting; the end of its log .*redis\.log:\n  "):
        here.stack.up()
    assert here.states()["redis"] == "stopped"


def test_a_full_disk_says_so(here: StackFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.stack.stack._SPACE", 1 << 60)
    with pytest.raises(
        StackError, match=r"MiB are free at .* and the local stack needs .*; free some, or name another"
    ):
        here.stack.up()


def test_a_program_runs_for_the_time_of_a_block_and_is_listed(here: StackFolder) -> None:
    with here.stack.process("worker", ["sleep", "600"]) as record:
        assert here.states()["worker"] == "running"
        here.stack.check("worker")
    assert record.process() is None
    assert "worker" not in here.states()


def test_only_the_processes_that_were_started_are_stopped_and_not_what_has_their_names_since(
    here: StackFolder,
) -> None:
    mine = here.stack.records(here.stack.up())
    with here.stack.process("worker", ["sleep", "600"]) as worker:
        assert here.run("down").returncode == 0
        assert here.stack.wait([*mine, worker], look=0.01) == "redis"
        here.stack.up()
        others = Stack(here.settings)
        with others.process("worker", ["sleep", "600"]) as other:
            here.stack.down([*mine, worker])
            assert other.process() is not None
            assert here.states() | {"worker": "running", "redis": "running"} == here.states()


def test_whoever_waits_for_a_program_that_ends_by_itself_is_told_so(here: StackFolder) -> None:
    with here.stack.process("worker", ["/bin/sh", "-c", "echo broken; exit 1"]) as record:
        with pytest.raises(StackError, match="worker has ended by itself"):
            here.stack.wait([record], look=0.01)


def test_a_program_that_ends_by_itself_is_noticed(here: StackFolder) -> None:
    with here.stack.process("service", ["/bin/sh", "-c", "echo broken; exit 1"]) as record:
        until_ended(record)
        with pytest.raises(StackError, match=r"service has ended by itself; the end of its log .*:\n  broken"):
            here.stack.check("service")
        assert here.states()["service"] == "died"


def test_the_service_is_refused_a_port_that_is_busy(here: StackFolder) -> None:
    with socket.create_server(("127.0.0.1", here.settings.service_port)):
        with pytest.raises(
            StackError, match=r"which the models service needs, is in use .*MILLRACE_SERVICE_PORT=\d+\.$"
        ):
            with here.stack.process("service", ["sleep", "600"]):
                pass


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_redis_or_valkey_of_the_system_is_taken_first(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert RedisServer(tmp_path).command()[0] == str(tmp_path / name)


def test_a_machine_for_which_there_is_no_redis_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(
        StackError, match=r"no Redis for \w+ riscv64 to fetch; install redis-server or valkey-server\.$"
    ):
        RedisServer(tmp_path).fetch(show=False)


def test_the_fetched_redis_that_does_not_run_here_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_module, "_runs", lambda program: "386" in program.name)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "linux")
    assert RedisServer(tmp_path).command()[0].endswith("linux-386")


def ask(settings: Settings, command: str) -> str:
    """A command's first line of answer, over a plain socket."""
    address = settings.redis_url.removeprefix("redis://").split("/")[0].split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=5.0) as connection:
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(1024).decode().split("\r\n")[0]


def until_ended(record: ProcessRecord) -> None:
    """Wait until the process has ended."""
    while record.process() is not None:
        time.sleep(0.005)
