"""Windows of event time, as part of a row's key: which windows an event is in follows from its own time alone, so what
is added by window commutes.

All windows begin at multiples of a span since 1970, in UTC. A row's key is the start of its window, in ISO 8601 with
milliseconds, a slash, and the key: `2026-01-01T18:00:00.000Z/i42`. So the order of keys is that of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

import polars as pl

from storage.descriptor import Descriptor
from storage.errors import FormatRefused, WriteRefused
from storage.unit import UnitState

T = TypeVar("T")

LONGEST = timedelta(days=36_525)
"""A hundred years."""
MOST = 100
"""So many hopping windows may an event be in: it is added to each."""
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_FIRST, _LAST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND, 253_402_300_799_999
SEPARATOR = "/"
NEVER = timedelta()


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """One window as it is read.

    Attributes:
        start: its first moment.
        end: the first moment after it.
        value: what was added in it.
    """

    start: datetime
    end: datetime
    value: T


class Windows:
    """Windows of one size, a new one with every such span.

    Attributes:
        size, every: in milliseconds.
    """

    kind: ClassVar[str] = "windows"

    def __init__(self, size: timedelta, every: timedelta) -> None:
        for name, value in {"size": size, "every": every}.items():
            if not _MILLISECOND <= value <= LONGEST or value % _MILLISECOND:
                raise FormatRefused(
                    f"{self.kind} windows have the {name} {value}; it must be whole milliseconds, from 1 to "
                    f"{LONGEST.days} days."
                )
        self.size, self.every = size // _MILLISECOND, every // _MILLISECOND
        if not self.every <= self.size <= MOST * self.every:
            raise FormatRefused(
                f"Windows of {size} that begin every {every} are none: they begin at least once in a window, and at "
                f"most {MOST} times."
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Windows) and (self.size, self.every) == (other.size, other.every)

    def __hash__(self) -> int:
        return hash((self.size, self.every))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size} ms, every={self.every} ms)"

    @property
    def options(self) -> Mapping[str, Any]:
        """As a descriptor has them."""
        return {"window_ms": self.size, "window_every_ms": self.every}

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Windows | None:
        """From a storage's options; None where its rows are in no windows."""
        size = options.get("window_ms")
        if size is None:
            return None
        every = options.get("window_every_ms", size)
        return Windows(int(size) * _MILLISECOND, int(every) * _MILLISECOND)

    def starts(self, at_ms: int) -> list[int]:
        """Where the windows that hold a moment begin, in ms since 1970, the first one first."""
        last = at_ms // self.every * self.every
        first = at_ms - self.size
        return list(range(last, first, -self.every)[::-1])

    def between(self, since_ms: int, until_ms: int) -> range:
        """Where the windows begin that have a moment at or after the one, and before the other."""
        first = (since_ms - self.size) // self.every * self.every + self.every
        return range(first, until_ms, self.every)

    def spread(self, frame: pl.DataFrame, at: str) -> pl.DataFrame:
        """A row for each window that holds the moment in a column of ms since 1970; it becomes the window's start."""
        last = pl.col(at).floordiv(self.every) * self.every
        parts = [frame.with_columns((last - self.every * back).alias("\0start")) for back in range(self._most)]
        found = pl.concat(parts) if len(parts) > 1 else parts[0]
        if self.size % self.every:
            found = found.filter(pl.col(at) < pl.col("\0start") + self.size)
        return found.drop(at).rename({"\0start": at})

    def window(self, start_ms: int, value: T) -> Window[T]:
        """One of these windows, with what it holds."""
        start = _EPOCH + start_ms * _MILLISECOND
        return Window(start, start + self.size * _MILLISECOND, value)

    @property
    def _most(self) -> int:
        return -(-self.size // self.every)


class Tumbling(Windows):
    """Windows that follow one another: `Tumbling(hours=1)`. Every moment is in one of them."""

    kind = "Tumbling"

    def __init__(
        self, size: timedelta = NEVER, *, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0
    ) -> None:
        whole = size + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        super().__init__(whole, whole)


class Hopping(Windows):
    """Windows of one size of which a new one begins with every shorter span: `Hopping(timedelta(hours=1),
    every=timedelta(minutes=10))`. A moment is in several of them, and an event is added to each."""

    kind = "Hopping"

    def __init__(self, size: timedelta, *, every: timedelta) -> None:
        super().__init__(size, every)


@lru_cache(4_096)
def prefix(start_ms: int) -> str:
    """What a key begins with in the window that begins then; keys before it are of earlier windows.

    Raises:
        WriteRefused: no calendar has that moment.
    """
    if not _FIRST <= start_ms <= _LAST:
        raise WriteRefused(f"No window begins at {start_ms} ms since 1970: it must be between the years 1 and 9999.")
    at = _EPOCH + start_ms * _MILLISECOND
    return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z{SEPARATOR}"


def first_kept(descriptor: Descriptor, units: Iterable[UnitState]) -> int | None:
    """Where the first window begins that a storage keeps, in ms since 1970: one is kept until the newest watermark of
    all units is so long after its end as was said. None = all are kept.

    The newest one, so that a partition without events keeps nothing: a unit that is behind writes to windows that
    nobody looks at any more, and comes past them.
    """
    windows, retention = Windows.of(descriptor.options), descriptor.options.get("retention_ms")
    watermark = max((unit.watermark_ms for unit in units if unit.watermark_ms is not None), default=None)
    if windows is None or retention is None or watermark is None:
        return None
    return max(_FIRST, windows.between(watermark - int(retention), watermark).start)


def parted(key: str) -> tuple[datetime, str]:
    """The start of a row's window, and the key that was added to. Raises ValueError where it is none."""
    start, _, rest = key.partition(SEPARATOR)
    return datetime.fromisoformat(start), rest


def since_1970(at: datetime) -> int:
    """A moment in ms since 1970. Raises WriteRefused where it has no time zone."""
    if at.tzinfo is None:
        raise WriteRefused(f"{at} has no time zone, so it is no moment; say `at` with one.")
    return (at - _EPOCH) // _MILLISECOND


def window_options(window: Windows | None, retention: timedelta | None, storage: str) -> Mapping[str, Any]:
    """As a descriptor has them; none where rows are in no windows.

    Args:
        retention: how long windows stay after they have ended; None = always.

    Raises:
        FormatRefused: nothing is in windows there that could go, or it is no span.
    """
    if retention is None:
        return {} if window is None else window.options
    if window is None:
        raise FormatRefused(f"{storage} has a retention, but no windows that could go; say `window=` too.")
    if not timedelta() <= retention <= LONGEST or retention % _MILLISECOND:
        raise FormatRefused(
            f"{storage} has the retention {retention}; it must be whole milliseconds, up to {LONGEST.days} days."
        )
    return {**window.options, "retention_ms": retention // _MILLISECOND}
