"""A state folder belongs to one call at a time, across processes."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millrace.stack.errors import StackError

PATIENCE = 90.0
"""Seconds that a call waits for the one before it."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for the block; makes the folder. The system frees the lock of a process that is killed.

    Raises:
        StackError: the folder cannot be written, or another call held it for too long.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", "utf-8")
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise StackError(
            f"{folder} cannot be written ({error.strerror}); correct that, or name another with MILLRACE_STATE_DIR."
        ) from error
    with lock:
        _wait_for(lock.fileno(), folder)
        yield


def _wait_for(lock: int, folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise StackError(
                    f"Another millrace command is at work in {folder}; wait for it, then try again."
                ) from None
        time.sleep(0.05)
