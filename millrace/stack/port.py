"""Whether a port is free, and whose it is when it is not."""

from __future__ import annotations

import socket
from contextlib import suppress

import psutil

from millrace.stack.errors import StackError
from millrace.stack.server import Port


def check_free(port: Port, name: str) -> None:
    """Raise `StackError` when something listens on the port; the message names it where the system tells."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port.number))
        except OSError as error:
            raise StackError(
                f"Port {port.number}, which {name} needs, is in use{_by_whom(port.number)}; "
                f"stop that, or choose another port with {port.setting}."
            ) from error


def _by_whom(number: int) -> str:
    with suppress(psutil.Error, OSError):  # other users' connections may be hidden from us
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port == number
            if listens and connection.pid is not None:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
