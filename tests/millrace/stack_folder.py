"""A folder with a local stack of its own on free ports, driven by the command line as a user drives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.local_stack import on_free_ports
from millrace.stack import Stack
from millrace.stack.plan import variables


def _heed_hangups() -> None:
    """The tests themselves may run under nohup, and what they start would ignore SIGHUP as they do."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class StackFolder:
    """Runs the named parts; the others are on another machine, as far as its settings say. `changes` are settings."""

    def __init__(self, folder: Path, *parts: str, **changes: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        elsewhere = {"kafka": "elsewhere:9092", "registry_url": "http://elsewhere", "redis_url": "redis://elsewhere"}
        others = {name: value for name, value in elsewhere.items() if name.removesuffix("_url") not in parts}
        self.folder, self.settings = folder, replace(on_free_ports(folder), **{**others, **changes})  # type: ignore[arg-type]
        self.stack = Stack(self.settings)

    def command(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        """Start `millrace` with these arguments and this folder's settings."""
        return subprocess.Popen(
            [sys.executable, "-m", "millrace", *arguments],
            cwd=self.folder,
            env={**os.environ, **variables(self.settings), **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_hangups,
        )

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run `millrace` to its end."""
        with self.command(*arguments, **changes) as process:
            out, err = process.communicate()
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def status(self) -> dict[str, dict[str, Any]]:
        """What is known of each part: without asking for learners, for whom a Kafka elsewhere would be waited for."""
        return Stack(self.settings).status()

    def states(self) -> dict[str, str]:
        """The state of each part."""
        return {name: part["state"] for name, part in self.status().items()}
