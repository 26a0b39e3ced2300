"""A Faust worker as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextmanager
def worker(
    module: str, folder: Path, kafka: str, registry_url: str, **changes: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The worker that a module runs; its log is in `folder`. It is killed at the end if it still runs."""
    environment = {
        **os.environ,
        "MILLRACE_KAFKA": kafka,
        "MILLRACE_REGISTRY_URL": registry_url,
        "MILLRACE_STATE_DIR": str(folder),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients/python'}",
        **changes,
    }
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
