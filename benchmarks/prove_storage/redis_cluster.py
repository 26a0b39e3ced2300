"""A Redis Cluster of a few masters on loopback, whose nodes can be killed, and whose slots can be moved."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import benchmarks.ports
from benchmarks.prove_storage.proxy import Proxy
from millrace.stack import StackError
from millrace.stack.redis import program

SLOTS = 16_384
BUS = 10_000
"""A node's port for the others is so far above its own."""
PATIENCE = 60.0
_PLAIN = ("--save", "", "--maxmemory-policy", "noeviction")
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
"""Every command is on the disk before it is answered."""


class Cluster:
    """A node on each port. Each is a process of its own.

    Attributes:
        url: where it is.
        restarts: how often a node was killed and started again.
    """

    def __init__(self, folder: Path, ports: Sequence[int], options: Sequence[str] = (), proxied: bool = False) -> None:
        """Starts it. Blocks until every node serves all slots.

        Args:
            proxied: each node is reached through a proxy, so that its connections can be cut.

        Raises:
            StackError: it does not start.
        """
        self._proxies = {port: Proxy(f"redis://127.0.0.1:{port}") for port in ports} if proxied else {}
        nodes = [self._proxies[port].url if proxied else f"redis://127.0.0.1:{port}" for port in ports]
        self.url = "redis+cluster://" + ",".join(node.removeprefix("redis://") for node in nodes)
        self.restarts = 0
        self._folder, self._ports, self._options = folder, ports, options
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        with ExitStack() as failing:
            failing.callback(self.close)
            for port in ports:
                (folder / str(port)).mkdir(parents=True)
                self._start(port)
            self._meet()
            failing.pop_all()

    def restart(self, number: int | None = None) -> None:
        """SIGKILL to one node, another one each time, and a start on what it has left; blocks until all is served."""
        port = self._ports[(self.restarts if number is None else number) % len(self._ports)]
        self.kill(port)
        self._start(port)
        self._until(self._served, "the cluster does not come back")
        self.restarts += 1

    def kill(self, port: int) -> None:
        """SIGKILL to the node on a port."""
        self._processes[port].kill()
        self._processes[port].wait()

    @property
    def cuts(self) -> int:
        """Connections cut so far."""
        return sum(proxy.cuts for proxy in self._proxies.values())

    def cut(self, silence: float = 0.0) -> int:
        """See `Proxy.cut`: to one node after the other."""
        return sum(proxy.cut(silence) for proxy in self._proxies.values())

    def close(self) -> None:
        """End every node."""
        for proxy in self._proxies.values():
            proxy.close()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()

    def _start(self, port: int) -> None:
        folder = self._folder / str(port)
        given = {"port": port, "bind": "127.0.0.1", "dir": folder, "cluster-enabled": "yes", "logfile": folder / "log"}
        given["cluster-node-timeout"] = 15_000
        if port in self._proxies:
            given["cluster-announce-port"] = self._proxies[port].port
            given["cluster-announce-bus-port"] = port + BUS
        options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
        self._processes[port] = subprocess.Popen([program(show=False), *options, *_PLAIN, *self._options])
        self._until(lambda: _listens(port), f"the node does not listen; see {folder / 'log'}")

    def _meet(self) -> None:
        share = -(-SLOTS // len(self._ports))
        for place, port in enumerate(self._ports):
            mine = range(place * share, min(SLOTS, (place + 1) * share))
            say(port, "CLUSTER", "ADDSLOTS", *map(str, mine))
            say(port, "CLUSTER", "MEET", "127.0.0.1", str(self._ports[0]))
        self._until(self._served, "the nodes do not become a cluster")

    def _served(self) -> bool:
        return all(b"cluster_state:ok" in say(port, "CLUSTER", "INFO") for port in self._ports)

    def _until(self, done: Callable[[], bool], problem: str) -> None:
        until = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > until or any(item.poll() is not None for item in self._processes.values()):
                raise StackError(f"Redis Cluster: {problem}.")
            time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, nor on those of their nodes' bus."""
    return benchmarks.ports.free_ports(count, beside=BUS)


def move_slot(slot: int, source: int, target: int, ports: Sequence[int]) -> None:
    """Give a slot and its keys from the node on one port to that on another; blocks until all nodes have heard of it.

    If it were given back sooner, both could claim it by the same epoch, and the nodes would not agree for a while.
    """
    names = {port: say(port, "CLUSTER", "MYID").split()[1].decode() for port in (source, target)}
    say(target, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", names[source])
    say(source, "CLUSTER", "SETSLOT", str(slot), "MIGRATING", names[target])
    for key in _keys(source, slot):
        say(source, "MIGRATE", "127.0.0.1", str(target), key, "0", "5000")
    for port in (target, source):
        say(port, "CLUSTER", "SETSLOT", str(slot), "NODE", names[target])
    until = time.monotonic() + PATIENCE
    while len({_map(port) for port in ports}) > 1:
        if time.monotonic() > until:
            raise StackError(f"Redis Cluster: the nodes do not agree on who has slot {slot}.")
        time.sleep(0.02)


def flush(ports: Sequence[int]) -> None:
    """Empty every node."""
    for port in ports:
        assert say(port, "FLUSHALL") == b"+OK\r\n"


def say(port: int, *command: str) -> bytes:
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


def _listens(port: int) -> bool:
    try:
        return say(port, "PING") == b"+PONG\r\n"
    except (OSError, AssertionError):  # an error while it reads its file
        return False


def _map(port: int) -> tuple[bytes, tuple[bytes, ...]]:
    """What a node knows: the newest epoch, and who has which slots."""
    epoch = say(port, "CLUSTER", "INFO").partition(b"cluster_current_epoch:")[2].split()[0]
    nodes = [line.split() for line in say(port, "CLUSTER", "NODES").splitlines() if b" connected" in line]
    return epoch, tuple(
        sorted(b" ".join([node[0], *(part for part in node[8:] if part[:1] != b"[")]) for node in nodes)
    )


def _keys(port: int, slot: int) -> list[str]:
    reply = say(port, "CLUSTER", "GETKEYSINSLOT", str(slot), "1000")
    return [line.decode() for line in reply.split(b"\r\n")[2::2]]
