"""Runs a product's workers under a supervisor."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from learners import Supervisor
from learners.declaration import declarations
from millrace.platform import all_event_types, all_learners
from millrace.product import Product


def run_learn(folder: Path, processes: int, name: str, trace: Path | None) -> None:
    """Keep `processes` workers running until SIGTERM or SIGINT; each child's name ends in its number. Blocks.

    Raises:
        ProductError, LearnerRefused: the product cannot be learned as it stands; nothing was started.
    """
    product = Product.load(folder)
    declarations(all_learners(product), all_event_types(product))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    command = [sys.executable, "-m", "millrace", "worker", str(folder), f"{name}-{{number}}"]
    if trace is not None:
        command += ["--trace", str(trace)]
    Supervisor(command, processes).run(stop)
