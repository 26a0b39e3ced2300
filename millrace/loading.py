"""A load as a person sees it: a bar while it runs, a way to stop it, and one sentence when it is done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from millrace.progress_bar import ProgressBar
from schemas import MillraceError
from schemas.avro import of_text
from storage.loads.load import Loaded

_SIGNALS = (signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)]))


@contextmanager
def rows_shown(name: str, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """A bar with rows and rows a second while the block lasts, where a person looks; gives what a load tells.

    Args:
        name: of what is read.
    """
    with ProgressBar(name, 1.0, "part", shown=shown, passing=True) as bar:
        yield lambda rows, part: bar.move(part, said=f"{rows:,} rows, {rows / (bar.seconds or 1.0):,.0f} rows/s")


@contextmanager
def stopping(said: str = "what was loaded is erased, unless it was complete already") -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end what is inside once, by an exception; while that is cleaned up, they do nothing
    more. SIGKILL still ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        with suppress(OSError):
            sys.stderr.write(f"\nStopping: {said}.\n")
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, stop) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


OPTIONS: Mapping[str, tuple[str, ...]] = {
    "key": ("records", "documents"),
    "schema": ("records",),
    "metric": ("vectors",),
}
"""Which formats each option of a load is for."""


def must_suit(format: str, **given: object) -> None:
    """Check that what was given means something for a format.

    Raises:
        MillraceError: it does not; the message says which option to leave out.
    """
    for name, value in given.items():
        if value is not None and format not in OPTIONS[name]:
            raise MillraceError(f"--{name} is for {' and '.join(OPTIONS[name])}, not for {format}; leave it out.")


def read_schema(path: Path) -> Mapping[str, Any]:
    """The Avro schema in a file.

    Raises:
        MillraceError: there is none.
    """
    try:
        found: Mapping[str, Any] = of_text(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MillraceError(f"{path} cannot be read as a schema: {error}.") from error
    return found


def outcome(done: Loaded) -> dict[str, Any]:
    """A load for programs."""
    item, alias = done.descriptor, done.alias
    return {
        "storage": item.title,
        "version": item.version,
        "rows": done.rows,
        "seconds": round(done.seconds, 3),
        "rows_per_second": round(_rate(done)),
        "stands_for": None if alias is None else alias.version,
        "before": None if alias is None else alias.previous,
    }


def sentence(done: Loaded, file: Path) -> str:
    """A load for people."""
    item, alias = done.descriptor, done.alias
    storage = f"{item.technology}/{item.storage}"
    speed = f"{done.seconds:.1f} s ({_rate(done):,.0f} rows/s)"
    loaded = f"Loaded {done.rows:,} rows of {file.name} into {item.title} in {speed}"
    if alias is None or alias.version != item.version:
        now = "nothing" if alias is None else f"@{alias.version}"
        return f"{loaded}; {item.name} still stands for {now}. Switch to it: millrace storages switch {item.title}"
    if alias.previous is None:
        return f"{loaded}; {item.name} stands for it now."
    return (
        f"{loaded}; {item.name} stands for it now, and stood for @{alias.previous}. "
        f"Back to that: millrace storages rollback {storage}"
    )


def _rate(done: Loaded) -> float:
    return done.rows / max(done.seconds, 1e-9)
