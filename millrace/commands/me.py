"""Who runs a command, for histories that people read."""

from __future__ import annotations

LONGEST = 100
"""Characters, as many as a models service takes."""


def me() -> str:
    """User and machine: `ann@desk`."""
    import getpass
    import socket

    try:
        found = f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a user without a name
        found = socket.gethostname()
    return found[:LONGEST]
