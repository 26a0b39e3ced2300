"""The end of a person's rows in an archive: in its newest snapshot, in the files of those before, and in its log."""

from __future__ import annotations

import re

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from streams.archive.columns import OWN
from streams.archive.table import ArchiveTable, columns_of
from streams.errors import ArchiveUnavailable

TRIES = 10
SHORTEST = 4
"""Bytes of a text that is looked for inside of others; a shorter one is in many by chance."""
_OWN = frozenset({*OWN, "_row"})
_RETENTION, _USUAL, _NOTHING = "delta.logRetentionDuration", "interval 30 days", "interval 0 seconds"
_INTEGER = re.compile("0|-?[1-9][0-9]{0,18}")


def count(table: ArchiveTable, field: str, values: list[str]) -> int:
    """How many rows of the newest snapshot have one of these values. Blocks.

    Raises:
        ArchiveUnavailable: it does not answer.
    """
    if not table.look():
        return 0
    frame = table.frame()
    wanted = _wanted(frame.collect_schema().get(field), values)
    try:
        return 0 if not wanted else int(frame.filter(pl.col(field).is_in(wanted)).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ArchiveUnavailable(f"The archive of {table.topic} at {table.place} cannot be read: {error}") from error


def mentions(table: ArchiveTable, values: list[str], spared: str | None = None) -> dict[str, int]:
    """By column, how many rows of the newest snapshot have one of these values, or texts that have it in them where it
    is long enough not to be there by chance. Looks at texts and integers, not inside of records and lists. Blocks.

    Args:
        spared: a column that is not looked at.

    Raises:
        ArchiveUnavailable: it does not answer.
    """
    if not table.look():
        return {}
    frame = table.frame()
    wanted = [_mentions(name, kind, values) for name, kind in frame.collect_schema().items() if name != spared]
    try:
        counted = frame.select(*(one.sum() for one in wanted if one is not None)).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ArchiveUnavailable(f"The archive of {table.topic} at {table.place} cannot be read: {error}") from error
    return {name: rows for name in counted.columns if (rows := int(counted[name].sum()))}


def erase(table: ArchiveTable, field: str, values: list[str]) -> int:
    """Remove rows that have one of these values; says how many. Positions stay where they are. Blocks.

    The files that held them are removed at once, and the table's log up to now, as it tells the smallest and the
    greatest value of each file: who reads an older snapshot at that moment fails. What no snapshot names stays, as
    another process may be about to archive it; see `upkeep`.

    Raises:
        ArchiveUnavailable: it does not answer; some may be gone. Do it again.
    """
    gone = _delete(table, field, values)
    delta = _newest(table)
    if delta is None:
        return gone
    found = delta.metadata().configuration.get(_RETENTION, _USUAL)
    kept = _USUAL if found == _NOTHING else found  # an erasure was killed before it had put it back
    try:
        delta.vacuum(0, dry_run=False, enforce_retention_duration=False)
        delta.alter.set_table_properties({_RETENTION: _NOTHING})
        try:
            delta.create_checkpoint()
            delta.cleanup_metadata()
        finally:
            delta.alter.set_table_properties({_RETENTION: kept})
    except (DeltaError, OSError) as error:
        raise ArchiveUnavailable(
            f"The rows are gone from the archive of {table.topic}, and its old files are not: {error} Erase again."
        ) from error
    return gone


def _delete(table: ArchiveTable, field: str, values: list[str]) -> int:
    said: Exception | None = None
    for _ in range(TRIES):
        delta = _newest(table)
        wanted = [] if delta is None else _wanted(columns_of(delta).get(field), values)
        if delta is None or not wanted:
            return 0
        try:
            return int(delta.delete(f'"{field}" IN ({", ".join(map(_literal, wanted))})')["num_deleted_rows"])
        except CommitFailedError as error:  # others have archived, or joined files, meanwhile
            said = error
        except (DeltaError, OSError) as error:
            said = error
            break
    raise ArchiveUnavailable(f"No rows were removed from the archive of {table.topic}: {said}") from said


def _newest(table: ArchiveTable) -> DeltaTable | None:
    table.look()
    return table.snapshot


def _wanted(kind: pl.DataType | None, values: list[str]) -> list[str] | list[int]:
    """The values as a column may have them; none where it cannot, or is not there."""
    if isinstance(kind, pl.String):
        return values
    if kind is not None and kind.is_integer():
        return [int(value) for value in values if _INTEGER.fullmatch(value) and abs(int(value)) < 2**63]
    return []


def _mentions(name: str, kind: pl.DataType, values: list[str]) -> pl.Expr | None:
    """Whether a row has one of these values in a column; None where it cannot be there."""
    wanted, column = _wanted(kind, values), pl.col(name)
    if not wanted or name in _OWN:
        return None
    within = [value for value in values if len(value.encode()) >= SHORTEST] if isinstance(kind, pl.String) else []
    return pl.any_horizontal(column.is_in(wanted), *(column.str.contains(value, literal=True) for value in within))


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
