"""How far something long is: a bar with the time that is left, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Literal, Self

from millrace.commands.output import printable
from schemas.errors import MillraceError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

EVERY = 0.5
"""Seconds between two looks."""
Measure = Literal["count", "part", "bytes"]
"""How a bar says what is done: as `30/100`; in per cent; as bytes with their rate."""


class ProgressBar:
    """Is shown while its block lasts. Any thread may move it.

    Args:
        what: words before the bar.
        total: None = not known yet.
        shown: whether a person looks.
        passing: it is there for as long as the block lasts, and for terminals alone; others stay at what was reached.
        console: another one than stderr's.
    """

    def __init__(
        self,
        what: str,
        total: float | None = None,
        measure: Measure = "count",
        *,
        shown: bool = True,
        passing: bool = False,
        console: Console | None = None,
    ) -> None:
        from rich.console import Console
        from rich.progress import Progress

        hidden = not shown or (passing and not sys.stderr.isatty())
        console = console or Console(stderr=True)
        self._bar = Progress(*_columns(measure), console=console, transient=passing, disable=hidden)
        self._task = self._bar.add_task(printable(what), start=False, total=total, said="")

    def __enter__(self) -> Self:
        self._bar.start()
        self._bar.start_task(self._task)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def seconds(self) -> float:
        """Since the block began."""
        return self._bar.tasks[0].elapsed or 0.0

    def move(self, done: float, total: float | None = None, said: str = "") -> None:
        """So much is done now, of so much where that was not known; and words behind the bar."""
        self._bar.update(self._task, completed=done, total=total, said=printable(said))

    def advance(self, more: float) -> None:
        """So much more is done."""
        self._bar.advance(self._task, more)


@contextmanager
def watched(what: str, total: int, done: Callable[[], int]) -> Iterator[None]:
    """A bar that looks by itself how far it is, while the block lasts.

    Args:
        done: how much of `total` is done now; asked in a thread of its own. While it raises nothing moves.
    """
    with ProgressBar(what, total) as bar:
        over = Event()

        def look() -> None:
            try:
                bar.move(min(done(), total))
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


def _columns(measure: Measure) -> list[ProgressColumn]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    how: dict[Measure, list[ProgressColumn]] = {
        "count": [MofNCompleteColumn()],
        "part": [TaskProgressColumn()],
        "bytes": [DownloadColumn(), TransferSpeedColumn()],
    }
    words = (TextColumn(f"{{task.{place}}}", markup=False) for place in ("description", "fields[said]"))
    return [next(words), BarColumn(20), *how[measure], next(words), TimeRemainingColumn()]
