"""Other products to compare with, each pinned, and installed on demand into an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.report import say

QUIET = {"FEAST_USAGE": "False"}
"""It does not report to its makers that it was run here."""


class Missing(Exception):
    """It cannot be installed or started here; the message says why."""


def installed(folder: Path, *packages: str) -> Path:
    """A new environment with these packages; returns the folder of its programs.

    Raises:
        Missing: they cannot be had.
    """
    folder.mkdir(parents=True)
    say(f"{packages[0]} is installed into an environment of its own.")
    run(folder, sys.executable, "-m", "venv", "environment")
    programs = folder / "environment" / "bin"
    run(folder, str(programs / "python"), "-m", "pip", "install", "--quiet", *packages)
    return programs


def run(folder: Path, *command: str) -> None:
    """Run a command there to its end.

    Raises:
        Missing: it fails; with the last line that it said.
    """
    done = subprocess.run(command, cwd=folder, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise Missing(f"{' '.join(command)}: {said[-1]}")
