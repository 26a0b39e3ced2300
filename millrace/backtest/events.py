"""Where a backtest's events come from: the product's data set, a file, or the platform's archive and log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import cast

import polars as pl

from millrace.product import Product
from millrace.scanning import scan
from schemas import Event, EventType, parse_json
from schemas.errors import MalformedEvent, MillraceError

DATASET, ARCHIVE, KAFKA = "dataset", "archive", "kafka"


@dataclass(frozen=True)
class Extent:
    """How much is read: only so many events of the topic, and of an archive those that the log took since and until."""

    limit: int | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Extent()


class EventsUnreadable(MillraceError):
    """A source of events is missing or does not fit; the message names the file, and the line where there is one."""


def read_events(product: Product, source: str, topic: str, extent: Extent = EVERYTHING) -> list[Event]:
    """Events in the order in which they are to be predicted and learned. Blocks while it reads.

    Args:
        source: `dataset`, the product's module with `events(shifted=False)`, which may give other topics' events;
            or a file of this topic's events in time order: .parquet, .csv, or lines of JSON; or `archive`, all that is
            archived or still in Kafka alone, or `kafka`, what the log holds, each in the order in which it was taken.
        extent: a limit leaves whatever comes before the events of the topic.

    Raises:
        EventsUnreadable: the file is missing, or its columns or a line do not fit the event type.
        ProductError: the product has no data set.
        MillraceError: archive, Kafka or registry do not answer, or have no such events.
    """
    limit = extent.limit
    if source not in (ARCHIVE, KAFKA) and (extent.since is not None or extent.until is not None):
        raise EventsUnreadable(
            f"--since and --until are of an archive, not of {source!r}; leave them out, or --from archive."
        )
    if source == DATASET:
        return _dataset(product, topic, limit)
    event_type = product.event_types[topic]
    if event_type.python is None:
        raise EventsUnreadable(f"{topic} has no Python class in {product.name}; a backtest of a file needs one.")
    if source in (ARCHIVE, KAFKA):
        return list(event_type.events(_logged(event_type, source, extent)))  # type: ignore[arg-type]
    file = Path(source)
    if not file.exists():
        raise EventsUnreadable(f"There is no file {file}; name a file of events, or `{DATASET}`.")
    if file.suffix in (".parquet", ".csv"):
        return list(islice(event_type.events(_frame(file, event_type)), limit))  # type: ignore[arg-type]
    return _lines(file, event_type, limit)


def _dataset(product: Product, topic: str, limit: int | None) -> list[Event]:
    found: list[Event] = []
    left = limit
    for event in product.events(shifted=False):
        if event.event_type.topic == topic and left is not None:
            if left == 0:
                break
            left -= 1
        found.append(event)
    return found


def _logged(event_type: EventType, source: str, extent: Extent) -> pl.DataFrame:
    """The topic's events as the log took them; those of several partitions by their time in the log."""
    found = scan(event_type.topic, extent.since, extent.until, archived=source == ARCHIVE)
    found = found.sort("_timestamp", "_partition", "_offset")
    frame = (found if extent.limit is None else found.head(extent.limit)).collect()
    return frame.select(_column(frame, name, kind) for name, kind in event_type.frame_schema.items())


def _frame(file: Path, event_type: EventType) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, infer_schema=False)
        columns = [_column(frame, name, kind) for name, kind in event_type.frame_schema.items()]
        return frame.select(columns)
    except pl.exceptions.PolarsError as error:
        names = ", ".join(event_type.frame_schema)
        raise EventsUnreadable(f"{file} does not hold {event_type.topic} ({error}); columns: {names}.") from error


def _column(frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Expr:
    """A column as the event type has it; an optional field's column may be missing."""
    if name not in frame.columns:
        return pl.lit(None, kind).alias(name)
    if isinstance(kind, pl.Datetime) and frame.schema[name] == pl.String:
        return pl.col(name).str.to_datetime(time_unit=kind.time_unit, time_zone=kind.time_zone)
    return pl.col(name).cast(kind)


def _lines(file: Path, event_type: EventType, limit: int | None) -> list[Event]:
    found: list[Event] = []
    assert event_type.python is not None
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if len(found) == limit:
                break
            if not line.strip():
                continue
            try:
                found.append(cast(Event, event_type.python.of(parse_json(event_type, line))))
            except MalformedEvent as error:
                raise EventsUnreadable(f"{file}:{number} is no event of {event_type.topic}: {error}") from error
    return found
