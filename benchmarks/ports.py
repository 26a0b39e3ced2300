"""Ports of this machine for what a proof starts."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

LOWEST, HIGHEST = 20_000, 32_000
"""Below the ports that a system gives to connections, from 32,768 on or higher: one of those would now and then take a
port that was free before its server does."""
_CHANCE = random.SystemRandom()
"""Two processes that begin alike choose differently."""


def free_port(beside: int = 0) -> int:
    """One; see `free_ports`."""
    [port] = free_ports(1, beside)
    return port


def free_ports(count: int, beside: int = 0) -> list[int]:
    """So many different ports that nothing listens on now; nor, if `beside` is given, on those so far above them."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = _CHANCE.randrange(LOWEST, HIGHEST)
            with ExitStack() as these, suppress(OSError, OverflowError):
                these.enter_context(socket.socket()).bind(("127.0.0.1", port))
                if beside:
                    these.enter_context(socket.socket()).bind(("127.0.0.1", port + beside))
                found.append(port)
                held.enter_context(these.pop_all())
    return found
