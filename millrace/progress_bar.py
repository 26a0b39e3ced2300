"""How far something long is: a bar with the time that is left, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from schemas.errors import MillraceError

EVERY = 0.5
"""Seconds between two looks."""


@contextmanager
def shown(what: str, total: int, done: Callable[[], int]) -> Iterator[None]:
    """Show the bar while the block lasts.

    Args:
        done: how much of `total` is done now; asked in a thread of its own. While it raises nothing moves.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task, over = bar.add_task(what, total=total), Event()

        def look() -> None:
            try:
                bar.update(task, completed=min(done(), total))
            except MillraceError:
                return

        def watch() -> None:
            while not over.wait(EVERY):
                look()

        watching = Thread(target=watch, name="progress", daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()
            look()
