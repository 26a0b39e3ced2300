"""One command, run to its end or its time-out, with what it prints written to a file."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from learners.jobs.errors import JobFailed

MOST = 16 << 20
"""Bytes of a run's log that are kept; what is printed after them is read and dropped."""
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for a command that is out of time."""
_BLOCK = 1 << 16


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    timeout: float,
    seen: Callable[[bytes], None] = lambda part: None,
) -> None:
    """Run it in a process group of its own and wait for its end. Blocks.

    Args:
        folder: where it works.
        log: gets what it prints, at its end.
        timeout: seconds; then it and what it has started are ended.
        seen: is given what it prints, as it does.

    Raises:
        JobFailed: it cannot be started, has ended with another code than 0, or was out of time.
    """
    try:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise JobFailed(f"{command[0]} cannot be started: {error}. Is it installed, and on PATH?") from error
    assert process.stdout is not None
    with log.open("ab") as file:
        writing = threading.Thread(target=_written, args=(process.stdout, file, seen), daemon=True)
        writing.start()
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise JobFailed(f"{command[0]} did not end within {timeout:g} s, and was ended.") from None
        finally:
            _end_group(process)
            writing.join(GRACE)
            if not writing.is_alive():  # it is where a stray child of another group keeps its end open
                process.stdout.close()
    if code:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        raise JobFailed(f"{command[0]} {how}; its log says more.")


def _written(source: IO[bytes], file: IO[bytes], seen: Callable[[bytes], None]) -> None:
    left = MOST - file.tell()
    with suppress(ValueError, OSError):  # the file is closed before a stray child closes its end, or the disk is full
        while part := os.read(source.fileno(), _BLOCK):
            seen(part)
            if left > 0:
                file.write(part[:left])
                file.flush()
                left -= len(part)
                if left <= 0:
                    file.write(b"\n[what it printed after this was not kept]\n")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the command, and what it has left behind in its group."""
    _signal(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
