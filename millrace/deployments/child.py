"""A command in a process of its own, which is ended, with all that it started, when it takes too long. Blocks."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

MOST = 1024 * 1024
"""Bytes of each output that are looked at: the last ones."""


class TookTooLong(Exception):
    """The command did not end in time, and was killed."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and the end of what it wrote."""

    code: int
    output: str
    errors: str


def run(command: Sequence[str], patience: float) -> Ended:
    """Run a command for `patience` seconds at most. What it writes goes to files, so that it fills no memory.

    Raises:
        TookTooLong: it was killed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
        )
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired as error:
            raise TookTooLong from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # the group: also what it started
                process.wait()
        found = []
        for file in (output, errors):
            file.seek(max(0, file.seek(0, os.SEEK_END) - MOST))
            found.append(file.read().decode("utf-8", "replace"))
        return Ended(code, *found)
