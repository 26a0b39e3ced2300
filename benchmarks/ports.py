"""Ports of this machine for what a proof starts."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress


def free_port(beside: int = 0) -> int:
    """One; see `free_ports`."""
    [port] = free_ports(1, beside)
    return port


def free_ports(count: int, beside: int = 0) -> list[int]:
    """So many different ports that nothing listens on now; nor, if `beside` is given, on those so far above them."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            with ExitStack() as these, suppress(OSError, OverflowError):
                first = these.enter_context(socket.socket())
                first.bind(("127.0.0.1", 0))
                port = int(first.getsockname()[1])
                if beside:
                    these.enter_context(socket.socket()).bind(("127.0.0.1", port + beside))
                found.append(port)
                held.enter_context(these.pop_all())
    return found
