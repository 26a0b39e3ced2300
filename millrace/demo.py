"""`make demo`: the whole loop on this machine, from a data set to a page where a click changes the answer."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from millrace.platform import Platform
from millrace.product import Product
from millrace.replay_dataset import replay_dataset
from millrace.settings import Settings
from millrace.stack import Stack, StackError
from millrace.stack.answered import answered
from millrace.stack.process import ProcessRecord

READY_SECONDS = 30.0


def run_demo(folder: Path, settings: Settings, rate: float | None, limit: int | None) -> None:
    """Start everything, replay the product's data set once, print the console's address, wait for Ctrl-C. Blocks.

    Whatever this call started it stops again, by its own process id; what ran before keeps running, and so does what
    was started since. It ends too when somebody else has stopped one of its parts, such as `millrace down`.

    Raises:
        StackError: one of its parts has ended by itself.
    """
    console = Console()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us with SIGINT ignored
    for number in (signal.SIGTERM, signal.SIGHUP):  # asked to end, or its terminal was closed
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    product = Product.load(folder)
    with ExitStack() as started:
        try:
            stack = Stack(settings)
            parts = _start(started, stack, folder, settings, console)
            replay_dataset(product, settings, console, rate, limit)
            console.print("Ctrl-C stops it.")
            console.print(f"{stack.wait(parts)} was stopped. Stopping what else this command started.")
        except KeyboardInterrupt:
            console.print("\nStopping what this command started.")


def _start(started: ExitStack, stack: Stack, folder: Path, settings: Settings, console: Console) -> list[ProcessRecord]:
    """Start all of it; the processes that this call started."""
    begun = time.monotonic()
    parts = started.enter_context(_stack(stack, console))
    with _platform(settings) as platform:
        platform.prepare(Product.load(folder))
    program = [sys.executable, "-m", "millrace"]
    for name, command in (("service", "serve"), ("worker", "learn")):
        parts.append(started.enter_context(stack.process(name, [*program, command, str(folder)])))
    _wait_until_ready(f"{settings.service_url}/readyz", stack)
    console.print(f"Ready after {time.monotonic() - begun:.1f} s: [bold]{settings.service_url}/console[/bold]")
    return parts


@contextmanager
def _stack(stack: Stack, console: Console) -> Iterator[list[ProcessRecord]]:
    """The local stack for the time of the demo; the parts that ran already are left running."""
    mine = stack.records(stack.up(console.print))
    try:
        yield list(mine)
    finally:
        stack.down(mine)


@contextmanager
def _platform(settings: Settings) -> Iterator[Platform]:
    platform = Platform(settings)
    try:
        yield platform
    finally:
        platform.close()


def _wait_until_ready(address: str, stack: Stack) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if answered(address) is not None:
            return
        stack.check("service")
        time.sleep(0.05)
    raise StackError(f"The models service did not answer at {address} within {READY_SECONDS:.0f} s; see its log.")
