"""Rows of a frame as events of a Python class: values come column by column, and a function that is written for the
class puts them together, as dataclasses do for their constructors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import repeat
from operator import add
from typing import Any, cast
from zoneinfo import ZoneInfo

import polars as pl

from schemas.record import Record, converters

_AT_ONCE = 4_096
"""Rows whose values are Python objects at one time."""
_EPOCH = datetime(1970, 1, 1)
_MOMENTS = [pl.Datetime(unit, zone) for unit in ("ms", "us") for zone in ("UTC", None)]
"""What `schemas.columns` has for Avro's."""

Columns = Sequence[Iterable[Any]]
Make = Callable[[Columns], Iterator[Record]]


def events_of(python: type[Record], frame: pl.DataFrame, columns: Sequence[str]) -> Iterator[Record]:
    """The rows as objects of a class, one by one.

    Args:
        columns: its fields, all of which the frame has.
    """
    make = _maker(cast(Any, python), tuple(columns))  # for the type checker no class is hashable
    convert = converters(python)
    for piece in frame.iter_slices(_AT_ONCE):
        found = [_values(piece.get_column(name)) for name in columns]
        for place, name in enumerate(columns):
            if name in convert:
                found[place] = map(convert[name], found[place])
        yield from make(found)


@cache
def _maker(python: type[Any], names: tuple[str, ...]) -> Make:
    """A frozen dataclass's own constructor takes five times as long; a dictionary for each row, twice."""
    values = "".join(f"v{place}, " for place in range(len(names)))
    lines = [
        "def make(columns):",
        f"    for ({values}) in zip(*columns, strict=True):",
        "        event = new(python)",
        "        fields = event.__dict__",
        *(f"        fields[{name!r}] = v{place}" for place, name in enumerate(names)),
        "        yield event",
    ]
    known: dict[str, Any] = {"new": object.__new__, "python": python}
    exec("\n".join(lines), known)  # noqa: S102  (fields' names are quoted)
    return cast(Make, known["make"])


def _values(column: pl.Series) -> Iterable[Any]:
    """What `to_list` gives; moments in a quarter of its time."""
    kind = column.dtype
    if not isinstance(kind, pl.Datetime) or kind not in _MOMENTS or column.null_count():
        return column.to_list()
    since = column.to_physical().to_numpy().view(f"timedelta64[{kind.time_unit}]").tolist()
    return map(add, repeat(_EPOCH.replace(tzinfo=ZoneInfo(kind.time_zone) if kind.time_zone else None)), since)
