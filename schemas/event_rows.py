"""Rows of a frame as events of a Python class, whose values come column by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import make_dataclass
from datetime import datetime
from functools import cache
from itertools import repeat, starmap
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


def events_of(python: type[Record], frame: pl.DataFrame, columns: Sequence[str]) -> Iterator[Record]:
    """The rows as objects of a class, one by one.

    Args:
        columns: its fields, all of which the frame has.
    """
    convert, filled = converters(python), _filled(cast(Any, python), tuple(columns))
    for piece in frame.iter_slices(_AT_ONCE):
        found = [_values(piece.get_column(name)) for name in columns]
        for place, name in enumerate(columns):
            if name in convert:
                found[place] = map(convert[name], found[place])
        events = starmap(filled, zip(*found, strict=True))
        if filled is python:
            yield from events
            continue
        for event in events:
            event.__class__ = python
            yield event


@cache
def _filled(python: Any, names: tuple[str, ...]) -> Any:
    """Makes objects with these attributes, to become events: the constructor of a frozen class takes far longer than
    this one, and so does filling an object's dictionary. The class itself where it has slots, as no other object can
    become one of it."""
    filled = make_dataclass("_Filled", names, repr=False, eq=False)
    one: Any = object.__new__(filled)
    try:
        one.__class__ = python
    except TypeError:
        return python
    return filled


def _values(column: pl.Series) -> Iterable[Any]:
    """What `to_list` gives; moments in a quarter of its time. A value that Python does not have, as a time may be, is
    an error only once it has its turn."""
    kind = column.dtype
    if not isinstance(kind, pl.Datetime) or kind not in _MOMENTS or column.null_count():
        try:
            return column.to_list()
        except (OverflowError, ValueError, pl.exceptions.PanicException):
            return (column[place] for place in range(column.len()))
    since = column.to_physical().to_numpy().view(f"timedelta64[{kind.time_unit}]").tolist()
    return map(add, repeat(_EPOCH.replace(tzinfo=ZoneInfo(kind.time_zone) if kind.time_zone else None)), since)
