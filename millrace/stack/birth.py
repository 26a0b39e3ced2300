"""When a process was created: what tells it from a later one that has got its process id."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import psutil


def birth(pid: int) -> str | None:
    """A text that only this process has among all that ever have this id; None when there is no such process.

    On Linux the machine's boot and the ticks since then: unlike a time of day they stay when the clock is corrected.
    """
    try:
        if sys.platform == "linux":
            after_the_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            return f"{_boot()}/{after_the_name[19]}"
        return str(round(psutil.Process(pid).create_time()))
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:  # hidden by some sandboxes
        return "-"
