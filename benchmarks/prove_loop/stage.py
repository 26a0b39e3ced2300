"""The stage of the proof: its own stack on free ports in its own folder, one supervised worker, one service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.local_stack import local_stack
from benchmarks.process import millrace_process, wait_until_ready
from millrace.lag import LagMeter
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings


@dataclass(frozen=True)
class Stage:
    """What runs, and how to reach it."""

    settings: Settings
    product: Product
    platform: Platform
    meter: LagMeter
    trace: Path
    learn: psutil.Process
    """The supervisor; its children are the worker processes."""

    def worker(self) -> psutil.Process | None:
        """The worker process that runs now, if one does."""
        children = self.learn.children()
        return children[0] if children else None


@contextmanager
def stage(folder: Path, **changes: Any) -> Iterator[Stage]:
    """Start everything in `folder`; on the way out stop it by its own process ids. `changes` are to its settings."""
    with local_stack(folder, **changes) as settings, running(folder, settings, Path("examples/movies")) as found:
        yield found


@contextmanager
def running(folder: Path, settings: Settings, example: Path) -> Iterator[Stage]:
    """A copy of an example in `folder`, with a worker and a service over servers that run already."""
    product_folder = folder / example.name
    shutil.copytree(example, product_folder, ignore=shutil.ignore_patterns("__pycache__"))
    trace = folder / "trace.jsonl"
    with ExitStack() as started:
        platform = started.enter_context(closing(Platform(settings)))
        product = Product.load(product_folder)
        platform.prepare(product)
        learn = started.enter_context(
            millrace_process(folder, settings, "learn", str(product_folder), "--trace", str(trace))
        )
        service = started.enter_context(millrace_process(folder, settings, "serve", str(product_folder)))
        wait_until_ready(service, settings)
        meter = started.enter_context(closing(LagMeter(platform, product)))
        yield Stage(settings, product, platform, meter, trace, psutil.Process(learn.pid))
