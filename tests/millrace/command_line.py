"""`millrace` as a shell runs it, but in this process: a process of its own takes a second of the processor to begin.

That it is a program, too, is tested where it matters: help, signals, and whatever is killed.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from millrace.cli import main


class Done(NamedTuple):
    """What a command has said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def run(folder: Path, *arguments: str, variables: Mapping[str, str], typed: str = "") -> Done:
    """Run a command to its end in this folder, with these variables besides those of the environment.

    Args:
        typed: what its reader finds.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        for name, value in {"no_proxy": os.environ.get("no_proxy", ""), **variables}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["millrace", *arguments])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode()), "utf-8"))
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Done(code, *(said.buffer.getvalue().decode() for said in (out, err)))
