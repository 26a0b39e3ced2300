"""The stack with its real Kafka: it keeps its data, and survives a command killed halfway."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from millrace.stack import Stack
from millrace.stack.errors import StackError
from millrace.stack.kafka import KafkaServer, _cluster
from tests import waiting
from tests.conftest import free_ports
from tests.millrace.stack_folder import StackFolder

needs_kafka = pytest.mark.usefixtures("kafka")  # skips where no Kafka can be had


@pytest.fixture
def here(tmp_path: Path) -> Iterator[StackFolder]:
    """A folder whose stack is a Kafka and a registry."""
    found = StackFolder(tmp_path, "kafka", "registry")
    yield found
    found.stack.down()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty storage of Kafka: to make one takes a Java of its own."""
    folder = tmp_path_factory.mktemp("made") / "kafka"
    KafkaServer(folder).prepare()
    return folder


@pytest.fixture
def begun(here: StackFolder, made: Path) -> StackFolder:
    """The same after its first start."""
    shutil.copytree(made, here.settings.state_dir / "kafka")
    return here


def until(folder: StackFolder, file: str) -> None:
    """Wait until the state folder holds this file."""
    waiting.until((folder.settings.state_dir / file).exists)


def subjects(folder: StackFolder) -> list[str]:
    """What the registry lists."""
    found: list[str] = httpx.get(f"{folder.settings.registry_url}/subjects", trust_env=False).json()
    return found


@pytest.mark.slow
@needs_kafka
def test_it_starts_again_with_what_was_registered_also_on_other_ports(here: StackFolder) -> None:
    assert set(here.stack.up()) == {"kafka", "registry"}
    address = f"{here.settings.registry_url}/subjects/clicks-value/versions"
    httpx.post(address, json={"schema": '"string"'}, trust_env=False).raise_for_status()
    here.stack.down()
    assert here.states()["kafka"] == "stopped"

    kafka, controller = free_ports(2)
    here.settings = replace(here.settings, kafka=f"127.0.0.1:{kafka}", kafka_controller_port=controller)
    here.stack = Stack(here.settings)
    here.stack.up()
    assert subjects(here) == ["clicks-value"]


@pytest.mark.slow
@needs_kafka
def test_a_command_killed_while_kafka_starts_leaves_what_the_next_one_takes_over(begun: StackFolder) -> None:
    with begun.command("up") as killed:
        until(begun, "processes/kafka.json")
        killed.kill()
    process = begun.status()["kafka"]["pid"]
    done = begun.run("up")
    assert (done.returncode, done.stderr) == (0, "")
    found = begun.status()
    assert (found["kafka"]["state"], found["kafka"]["pid"]) == ("running", process)
    assert found["registry"]["state"] == "running"
    assert begun.run("down").returncode == 0
    assert {begun.states()[name] for name in ("kafka", "registry")} == {"stopped"}


@pytest.mark.slow
@needs_kafka
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_interrupted_start_stops_what_it_started(begun: StackFolder, number: signal.Signals) -> None:
    with begun.command("up") as interrupted:
        until(begun, "processes/kafka.json")
        started = begun.status()["kafka"]["pid"]
        interrupted.send_signal(number)
        _, err = interrupted.communicate()
    assert interrupted.returncode == 130
    assert "Traceback" not in err
    assert begun.states()["kafka"] == "stopped"
    assert not psutil.pid_exists(started) or psutil.Process(started).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
@needs_kafka
def test_a_storage_that_was_made_halfway_is_made_anew(here: StackFolder) -> None:
    half = here.settings.state_dir / "kafka" / "formatting"
    half.mkdir(parents=True)
    (half / "meta.properties").write_text("half")
    here.stack.up()
    assert subjects(here) == []
    assert not half.exists()


@pytest.mark.parametrize("first", [0x00, 0x7F, 0x80, 0xF8, 0xFB, 0xFF])
def test_a_cluster_id_is_never_taken_for_an_option(first: int) -> None:
    identity = _cluster(bytes([first, *range(15)]))
    assert len(identity) == 22
    assert not identity.startswith("-")


def test_a_kafka_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    assert not KafkaServer(tmp_path, port=free_ports(1)[0]).ready()


@needs_kafka
def test_why_kafka_cannot_make_its_storage_is_said_and_not_a_line_of_its_stack_trace(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with pytest.raises(StackError, match=r"\(\S+Exception: [^\n]*two listeners on the same port[^\n]*\); correct that"):
        KafkaServer(tmp_path, port, port).prepare()
