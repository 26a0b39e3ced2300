"""A port that cannot be had is refused with one sentence: whose it is, and which setting and port to take instead."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from millrace.stack.errors import StackError
from millrace.stack.port import check_all_free, check_free, listens
from millrace.stack.server import Port
from tests.conftest import free_ports

LISTEN = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
input()
"""


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_free_port_is_no_problem() -> None:
    check_free(Port(free_ports(1)[0], "SETTING={port}"), "kafka")


def test_a_busy_port_names_who_has_it_and_a_port_that_is_free(busy: int) -> None:
    with pytest.raises(StackError) as refused:
        check_free(Port(busy, "SETTING=127.0.0.1:{port}"), "kafka")
    message = str(refused.value)
    assert message.startswith(f"Port {busy}, which kafka needs, is in use by ")
    assert f"(process {os.getpid()})" in message
    instead = re.search(r"choose another port with SETTING=127\.0\.0\.1:(\d+)\.$", message)
    assert instead is not None
    check_free(Port(int(instead[1]), "SETTING={port}"), "kafka")


def test_beside_another_stack_each_part_gets_a_port_of_its_own(busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given two parts whose ports lie together, where another folder's stack has the first, and the next free one is the
    # same for both
    monkeypatch.setattr("millrace.stack.port._stack_of", lambda number: Path("/other/.millrace"))
    wanted = [(Port(busy, "KAFKA={port}"), "kafka"), (Port(busy, "CONTROLLER={port}"), "kafka")]
    later = [Port(busy, "SERVICE={port}"), Port(free_ports(1)[0], "FREE={port}")]
    # When they are asked for, then each has another one, and so has what is in use and wanted later
    with pytest.raises(StackError, match=r"choose other ports: KAFKA=(\d+) CONTROLLER=(\d+) SERVICE=(\d+)$") as refused:
        check_all_free(wanted, later)
    assert len(set(re.findall(r"=(\d+)", str(refused.value)))) == 3


@pytest.mark.parametrize("number", [0, 65_536, 99_999])
def test_a_number_that_is_no_port_says_so(number: int) -> None:
    with pytest.raises(StackError, match=rf"^{number}, which kafka is to listen on, is no port; set SETTING=\d+\.$"):
        check_free(Port(number, "SETTING={port}"), "kafka")


def test_a_port_of_the_superuser_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(self: socket.socket, address: tuple[str, int]) -> None:
        if address[1] < 1024:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(StackError, match=r"^Port 80, which kafka needs, is only for the superuser; set SETTING=11024"):
        check_free(Port(80, "SETTING={port}"), "kafka")


def test_a_process_listens_itself_or_through_its_child(busy: int) -> None:
    assert listens(psutil.Process(), busy)
    with subprocess.Popen([sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        theirs = int(child.stdout.readline())
        assert listens(psutil.Process(child.pid), theirs)
        assert listens(psutil.Process(), theirs)
        assert not listens(psutil.Process(child.pid), busy)
        child.communicate(b"\n")
