"""Whether a port is free, whose it is when it is not, and which one to take instead."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from millrace.stack.errors import StackError
from millrace.stack.server import Port

_HIGHEST = 65_535


def check_all_free(wanted: Sequence[tuple[Port, str]], later: Sequence[Port] = ()) -> None:
    """Raise `StackError` as `check_free` does. Where another folder's local stack is in the way, the message says which
    one, and names free ports for all that is wanted here, and for what is wanted later and is in use too."""
    for port, name in wanted:
        stack = _stack_of(port.number) if _refusal(port.number) == errno.EADDRINUSE else None
        if stack is not None:
            busy = [port for port in later if _refusal(port.number) is not None]
            taken: set[int] = set()
            others = " ".join(_instead(port, taken) for port in [*(port for port, _ in wanted), *busy])
            raise StackError(
                f"Port {port.number}, which {name} needs, is in use by the local stack of {stack.parent}, which runs. "
                f"Work with that one from {stack.parent}, or stop it there: millrace down. For a second one beside it "
                f"choose other ports: {others}"
            )
        check_free(port, name)


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


def _instead(port: Port, taken: set[int] | None = None) -> str:
    """The setting, with a free port that lies 10,000 or a little more away, none of `taken`; to which it is added."""
    taken = set() if taken is None else taken
    step = 10_000 if port.number < 50_000 else -10_000
    start = min(max(port.number, 1024), _HIGHEST) + step
    free = (number for number in range(start, start + 1000) if number not in taken and _refusal(number) is None)
    found = next(free, start)
    taken.add(found)
    return port.setting.format(port=found)


def _by_whom(number: int) -> str:
    with suppress(psutil.Error, OSError):
        user = _user(number)
        return "" if user is None else f" by {user.name().split()[0]} (process {user.pid})"
    return ""


def _user(number: int) -> psutil.Process | None:
    """The process that listens on a port; None where the system does not tell: others' may be hidden from us."""
    for connection in psutil.net_connections("tcp"):
        if _is_listening(connection, number) and connection.pid is not None:
            return psutil.Process(connection.pid)
    return None


def _stack_of(number: int) -> Path | None:
    """The state folder of the local stack that has started who listens on a port: it writes into a log there, beside
    its record."""
    with suppress(psutil.Error, OSError):
        user = _user(number)
        for log in [Path(file.path) for file in user.open_files()] if user is not None else ():
            if log.parent.name == "logs" and (log.parents[1] / "processes" / f"{log.stem}.json").is_file():
                return log.parents[1]
    return None


def _is_listening(connection: Any, number: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr.port == number)
