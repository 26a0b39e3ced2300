"""A Redis Cluster of three masters on loopback, for the tests that ask for it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from millrace.stack.redis import program

SLOTS = 16_384
PATIENCE = 30.0


@contextmanager
def redis_cluster(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """The url of a cluster with a node on each port; each port plus 10,000 is its bus. Ends its processes."""
    with ExitStack() as started:
        for port in ports:
            started.enter_context(_node(folder / str(port), port))
        share = -(-SLOTS // len(ports))
        for place, port in enumerate(ports):
            mine = range(place * share, min(SLOTS, (place + 1) * share))
            _say(port, "CLUSTER", "ADDSLOTS", *map(str, mine))
            _say(port, "CLUSTER", "MEET", "127.0.0.1", str(ports[0]))
        until = time.monotonic() + PATIENCE
        while not all(b"cluster_state:ok" in _say(port, "CLUSTER", "INFO") for port in ports):
            assert time.monotonic() < until, "the nodes did not become a cluster"
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)


def move_slot(slot: int, source: int, target: int) -> None:
    """Give a slot and its keys from the node on one port to that on another."""
    names = {port: _say(port, "CLUSTER", "MYID").split()[1].decode() for port in (source, target)}
    _say(target, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", names[source])
    _say(source, "CLUSTER", "SETSLOT", str(slot), "MIGRATING", names[target])
    for key in _keys(source, slot):
        _say(source, "MIGRATE", "127.0.0.1", str(target), key, "0", "5000")
    for port in (target, source):
        _say(port, "CLUSTER", "SETSLOT", str(slot), "NODE", names[target])


def flush(ports: Sequence[int]) -> None:
    """Empty every node."""
    for port in ports:
        assert _say(port, "FLUSHALL") == b"+OK\r\n"


@contextmanager
def _node(folder: Path, port: int) -> Iterator[None]:
    folder.mkdir(parents=True)
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        "--save",
        "",
        "--cluster-enabled",
        "yes",
    ]
    options += ["--cluster-node-timeout", "15000", "--logfile", str(folder / "log"), "--maxmemory-policy", "noeviction"]
    process = subprocess.Popen([program(show=False), *options])
    try:
        until = time.monotonic() + PATIENCE
        while not _listens(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, "the node does not listen"
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        return _say(port, "PING") == b"+PONG\r\n"
    except OSError:
        return False


def _keys(port: int, slot: int) -> list[str]:
    reply = _say(port, "CLUSTER", "GETKEYSINSLOT", str(slot), "1000")
    return [line.decode() for line in reply.split(b"\r\n")[2::2]]


def _say(port: int, *command: str) -> bytes:
    """A command and its reply, as they travel: no client of Redis is imported outside `storage`."""
    parts = [part.encode() for part in command]
    wire = b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)])
    with socket.create_connection(("127.0.0.1", port), timeout=10.0) as connection:
        connection.sendall(wire)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65_536):
            found += part
    assert not found.startswith(b"-"), found
    return found
