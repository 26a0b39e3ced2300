"""Whether a port is free, whose it is when it is not, and which one to take instead."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import Any

import psutil

from millrace.stack.errors import StackError
from millrace.stack.server import Port

_HIGHEST = 65_535


def check_free(port: Port, name: str) -> None:
    """Raise `StackError` when `name` cannot listen on the port: it is in use, reserved, or no port at all.

    The message names who uses it, where the system tells, and the setting with another port that is free now.
    """
    if not 1 <= port.number <= _HIGHEST:
        raise StackError(f"{port.number}, which {name} is to listen on, is no port; set {_instead(port)}.")
    refused = _refusal(port.number)
    if refused == errno.EACCES:
        raise StackError(f"Port {port.number}, which {name} needs, is only for the superuser; set {_instead(port)}.")
    if refused is not None:
        raise StackError(
            f"Port {port.number}, which {name} needs, is in use{_by_whom(port.number)}; "
            f"stop that, or choose another port with {_instead(port)}."
        )


def listens(process: psutil.Process, number: int) -> bool:
    """Whether this process, or a child of it, listens on the port; True where the system does not tell."""
    try:
        family = [process, *process.children(recursive=True)]
        return any(_is_listening(one, number) for member in family for one in member.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return True


def _refusal(number: int) -> int | None:
    """The system's reason not to let us listen there; None when it does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection closed lately keeps no port
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return None


def _instead(port: Port) -> str:
    """The setting, with a free port that lies 10,000 or a little more away."""
    step = 10_000 if port.number < 50_000 else -10_000
    start = min(max(port.number, 1024), _HIGHEST) + step
    found = next((number for number in range(start, start + 1000) if _refusal(number) is None), start)
    return port.setting.format(port=found)


def _by_whom(number: int) -> str:
    with suppress(psutil.Error, OSError):  # other users' connections may be hidden from us
        for connection in psutil.net_connections("tcp"):
            if _is_listening(connection, number) and connection.pid is not None:
                return f" by {psutil.Process(connection.pid).name().split()[0]} (process {connection.pid})"
    return ""


def _is_listening(connection: Any, number: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr.port == number)
