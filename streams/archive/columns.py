"""How the columns of events stand in an archive: in types that every reader of Delta tables has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas import EventType
from schemas.columns import cell_of
from schemas.reading import default_of
from streams.errors import ArchiveRefused

PARTITION, OFFSET, TIMESTAMP, DATE = "_partition", "_offset", "_timestamp", "_date"
OWN: Mapping[str, pl.DataType] = {
    PARTITION: pl.Int64(),
    OFFSET: pl.Int64(),
    TIMESTAMP: pl.Datetime("us", "UTC"),
    DATE: pl.Date(),
}
"""The columns that each row of an archive has besides its event's: where it was in the log, when the log took it, and
that day in UTC, by which the table is partitioned."""
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999 in milliseconds since 1970."""


def archived(kind: pl.DataType) -> pl.DataType:
    """The type in which a column is kept. Integers and floating-point numbers are kept wide, so that a schema that
    widens one (int to long) needs no other column; a time of the day is its nanoseconds since midnight."""
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: archived(plain_type(field.dtype)) for field in kind.fields})
    if isinstance(kind, pl.List):
        return pl.List(archived(plain_type(kind.inner)))
    if isinstance(kind, pl.Datetime):
        return pl.Datetime("us", kind.time_zone)
    if isinstance(kind, pl.Time) or kind.is_integer():
        return pl.Int64()
    if isinstance(kind, pl.Float32):
        return pl.Float64()
    return pl.String() if isinstance(kind, pl.Null) else kind


def archived_schema(events: Mapping[str, pl.DataType], topic: str) -> dict[str, pl.DataType]:
    """The columns of a topic's archive.

    Args:
        events: those of its events.

    Raises:
        ArchiveRefused: an event has a field with the name of a column of the archive's own, two fields whose names
            differ in their case alone, or a record without fields.
    """
    taken = next((name for name in events if name.lower() in OWN), None)
    if taken is not None:
        raise ArchiveRefused(f"Events of {topic} have a field {taken!r}, which an archive has for itself; rename it.")
    _check_names(events, topic)
    return {**{name: archived(kind) for name, kind in events.items()}, **OWN}


def _check_names(fields: Mapping[str, pl.DataType], topic: str) -> None:
    names: dict[str, str] = {}
    for name, kind in fields.items():
        other = names.setdefault(name.lower(), name)
        if other != name:
            raise ArchiveRefused(
                f"Events of {topic} have the fields {other!r} and {name!r}; in an archive they are one."
            )
        while isinstance(kind, pl.List):
            kind = plain_type(kind.inner)
        if isinstance(kind, pl.Struct):
            if not kind.fields:
                raise ArchiveRefused(
                    f"Events of {topic} have {name!r}, a record without fields, which no file holds; give it one."
                )
            _check_names({field.name: plain_type(field.dtype) for field in kind.fields}, topic)


def rows(
    frame: pl.DataFrame, partition: int, offsets: NDArray[np.int64], timestamps: NDArray[np.int64]
) -> pl.DataFrame:
    """Events as rows of an archive.

    Args:
        frame: one row per event.
        offsets: of each in the log.
        timestamps: the log's time of each, in milliseconds since 1970. It may be the producer's, and any number: one
            outside of the years 1 to 9999, which few readers have, is brought to their ends.
    """
    moments = (
        pl.Series(TIMESTAMP, timestamps.clip(_FIRST_MS, _LAST_MS)).cast(pl.Datetime("ms", "UTC")).cast(OWN[TIMESTAMP])
    )
    return frame.cast({name: archived(kind) for name, kind in frame.schema.items()}).with_columns(
        pl.lit(partition, pl.Int64).alias(PARTITION),
        pl.Series(OFFSET, offsets),
        moments,
        moments.dt.date().alias(DATE),
    )


def read_as(frame: pl.LazyFrame, event_type: EventType) -> pl.LazyFrame:
    """Rows of an archive as a reader of the events has them, each field in its type, and the archive's own columns but
    the date.

    A field takes the column of its name, or else of one of its aliases; where that is null and the field cannot be, it
    has its default, as the archive says so of events that are older than the field."""
    there = frame.collect_schema()
    wanted = []
    for field in event_type.shape.fields:
        values = [pl.col(name) for name in (field.name, *field.aliases) if name in there]
        kind = event_type.frame_schema[field.name]
        if field.has_default and (not values or field.type.optional is None):
            values.append(pl.lit(pl.Series([cell_of(default_of(field), field.type)], dtype=kind)).first())
        wanted.append(pl.coalesce(values or [pl.lit(None)]).cast(kind).alias(field.name))
    return frame.select(*wanted, PARTITION, OFFSET, TIMESTAMP)


def plain_type(kind: object) -> pl.DataType:
    """A type as polars has it inside of others, where it may be a class."""
    return kind() if isinstance(kind, type) and issubclass(kind, pl.DataType) else kind  # type: ignore[return-value]
