"""`mr.as_of`: joining what was known at the time, and nothing of what came after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from schemas.errors import MillraceError

_ROW = "_row"


def as_of(
    left: pl.LazyFrame,
    right: pl.LazyFrame,
    by: str | Sequence[str],
    at: str = "at",
    within: timedelta | None = None,
    suffix: str = "_right",
) -> pl.LazyFrame:
    """To each row of `left` the last one of `right` that is **older** and of the same `by`: what could be known then.

    `mr.as_of(mr.scan("views"), mr.scan("purchases"), by="user")`. A row of the same moment is not older, so an outcome
    that is written together with its cause does not get into what was known before it. Nothing is read yet.

    Args:
        left, right: frames with the columns `by` and `at`, in any order.
        by: columns that must be equal; where one is null nothing is.
        at: when a row happened. By the log's own time, where the events' cannot be trusted: `_timestamp`.
        within: so old a row of `right` may be; None = as old as it likes.
        suffix: of names of `right` that `left` has too.

    Returns:
        the rows of `left`, each once and in their order, with the columns of `right` (null where there is none) and its
        time under `at` and the suffix.

    Raises:
        MillraceError: a frame lacks a column, or the times are of two types.
    """
    keys = [by] if isinstance(by, str) else list(by)
    schemas = left.collect_schema(), right.collect_schema()
    for side, schema in zip(("left", "right"), schemas, strict=True):
        missing = [name for name in (*keys, at) if name not in schema]
        if missing:
            raise MillraceError(f"The {side} side of as_of has no {', '.join(missing)}; it has {', '.join(schema)}.")
    if schemas[0][at].is_temporal() != schemas[1][at].is_temporal():
        raise MillraceError(f"{at!r} is {schemas[0][at]} on the left of as_of and {schemas[1][at]} on the right.")
    time = at + suffix
    known = right.rename({at: time}).with_columns(pl.col(time).cast(schemas[0][at]))
    known = known.drop_nulls([*keys, time]).sort(time, maintain_order=True)
    numbered = left.with_row_index(_ROW)
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in (*keys, at))
    joined = (
        numbered.filter(complete)
        .sort(at, maintain_order=True)
        .join_asof(
            known,
            left_on=at,
            right_on=time,
            by=keys,
            strategy="backward",
            tolerance=within,
            allow_exact_matches=False,
            suffix=suffix,
            coalesce=False,
            check_sortedness=False,
        )
    )
    return pl.concat([joined, numbered.filter(~complete)], how="diagonal").sort(_ROW).drop(_ROW)
