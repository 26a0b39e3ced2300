"""The snapshots of a source as frames, and as rows for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from millrace.product import Product
from millrace.settings import Settings
from millrace.sources.errors import SourceMissing
from storage.loads.typed import TIME, named

if TYPE_CHECKING:
    from streams.archive import Snapshot, Snapshots

_FROM, _TO = "valid_from", "valid_to"


def spans(snapshots: Snapshots, at: datetime | None, history: bool) -> pl.LazyFrame:
    """See `millrace.scanning.scan_source`."""
    snapshots.look()
    found = snapshots.all
    if not found:
        raise SourceMissing(
            f"There is no snapshot of a source {snapshots.name!r} in the archive; "
            f"make one: millrace sources snapshot {snapshots.name}."
        )
    ends: list[datetime | None] = [*(item.at for item in found[1:]), None]
    rows, columns = snapshots.frame(), list(snapshots.columns)
    if history:
        table = pl.DataFrame({_FROM: [item.at for item in found], _TO: ends}, schema={_FROM: TIME, _TO: TIME})
        return rows.join(table.lazy(), on=_FROM, how="left").select(*columns, _FROM, _TO)
    place = _valid(snapshots.name, found, at)
    rows = rows.filter(pl.col(_FROM) == found[place].at)
    return rows.select(*columns, _FROM, pl.lit(ends[place], TIME).alias(_TO))


def _valid(name: str, found: Sequence[Snapshot], at: datetime | None) -> int:
    """The place of the snapshot that was the newest at a moment."""
    before = [place for place, item in enumerate(found) if at is None or item.at <= at]
    if not before:
        raise SourceMissing(f"The source {name!r} has no snapshot of {at}; its first one is of {found[0].at}.")
    return before[-1]


def listed(product: Product, settings: Settings) -> list[dict[str, Any]]:
    """The product's sources with what there is of each. Blocks."""
    from millrace.sources.snapshot import snapshots_of

    rows = []
    for source in product.sources:
        snapshots = snapshots_of(source.name, settings)
        snapshots.look()
        found = snapshots.all
        rows.append(
            {
                "source": source.name,
                "from": source.where,
                "snapshots": len(found),
                "rows": found[-1].rows if found else None,
                "newest": found[-1].at.isoformat() if found else None,
                "bytes": sum(item.bytes for item in found),
                "subject": snapshots.subject,
                "emits": source.emit,
            }
        )
    return rows


def shown(snapshots: Snapshots) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The snapshots, newest first, and the columns with their types. Blocks.

    Raises:
        SourceMissing: there is none.
    """
    spans(snapshots, None, history=False)
    found = snapshots.all
    ends: list[str | None] = [*(item.at.isoformat() for item in found[1:]), None]
    rows: list[dict[str, Any]] = [
        {_FROM: item.at.isoformat(), _TO: end, "rows": item.rows, "bytes": item.bytes}
        for item, end in zip(found, ends, strict=True)
    ]
    return rows[::-1], {name: named(kind) for name, kind in snapshots.columns.items()}
