"""A row is joined with what was known before it, and never with its own outcome or with what came later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import millrace as mr
from schemas.errors import MillraceError

START = datetime(2026, 11, 1, tzinfo=UTC)


def at(minutes: int | None) -> datetime | None:
    return None if minutes is None else START + timedelta(minutes=minutes)


def frame(rows: Sequence[tuple[str | None, int | None, int]], value: str) -> pl.LazyFrame:
    columns = [
        [user for user, _, _ in rows],
        [at(minutes) for _, minutes, _ in rows],
        [number for _, _, number in rows],
    ]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "user": pl.String,
        "at": pl.Datetime("us", "UTC"),
        value: pl.Int64,
    }
    return pl.DataFrame(columns, schema=schema).lazy()


def test_a_leak_that_a_plain_join_lets_through_does_not_get_into_what_was_known() -> None:
    """The score is written at the moment of the purchase, and gives it away."""
    views = [("u1", minute, minute % 2) for minute in range(100)]
    scores = [("u1", minute, bought) for _, minute, bought in views]
    bought, leak = frame(views, "bought"), frame(scores, "score")

    plain = bought.collect().join_asof(leak.collect(), on="at", by="user", check_sortedness=False)
    known = mr.as_of(bought, leak, by="user").collect()

    assert (plain["score"] == plain["bought"]).all()  # as good as the truth, which no model can be
    assert not (known["score"] == known["bought"]).any()
    assert (known["at_right"].drop_nulls() < known["at"][1:]).all()


Rows = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 9) | st.none()), max_size=20)


@given(Rows, Rows, st.integers(1, 9) | st.none())
def test_each_row_of_the_left_has_the_last_older_one_of_its_key(
    left: list[tuple[str | None, int | None]], right: list[tuple[str | None, int | None]], within: int | None
) -> None:
    views = [(user, minute, number) for number, (user, minute) in enumerate(left)]
    known = [(user, minute, number) for number, (user, minute) in enumerate(right)]
    span = None if within is None else timedelta(minutes=within)

    found = mr.as_of(frame(views, "view"), frame(known, "fact"), by="user", within=span).collect()

    assert found["view"].to_list() == list(range(len(left)))
    for (user, minute), fact in zip(left, found["fact"], strict=True):
        older = [
            (when, number)
            for name, when, number in known
            if name is not None and name == user and minute is not None and when is not None and when < minute
            if within is None or minute - when <= within
        ]
        assert fact == (max(older)[1] if older else None)


def test_what_cannot_be_joined_is_said() -> None:
    views, facts = frame([("a", 1, 1)], "view"), frame([("a", 0, 1)], "fact")
    with pytest.raises(MillraceError, match="right side of as_of has no item; it has user, at, fact"):
        mr.as_of(views.rename({"user": "item"}), facts, by="item")
    with pytest.raises(MillraceError, match="'at' is Datetime"):
        mr.as_of(views, facts.with_columns(at=pl.lit(1)), by="user")
    later = mr.as_of(views, facts.rename({"fact": "view"}), by=["user"]).collect()
    assert later.columns == ["user", "at", "view", "at_right", "view_right"]
