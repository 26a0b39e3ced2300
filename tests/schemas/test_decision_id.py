"""A decision's id says when it was made and for whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from schemas import DecisionId, MalformedEvent


def test_an_id_survives_its_text() -> None:
    made = DecisionId.new("recommend", "popular_now")
    assert DecisionId.parse(made.text) == made
    assert DecisionId.parse(str(DecisionId.new())).experiment is None


def test_an_id_is_a_uuid_of_version_7_that_knows_its_time() -> None:
    made = DecisionId.new()
    number = UUID(made.number)
    assert (number.version, number.variant) == (7, "specified in RFC 4122")
    assert abs(datetime.now(UTC) - made.at) < timedelta(seconds=5)


def test_ids_differ() -> None:
    assert len({DecisionId.new().text for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0" * 32,
        f"{'0' * 32}.a",
        f"{'g' * 32}.a.b",
        f"{'0' * 32}.a.b.c",
        f"{'0' * 32}.a b.c",
        f"{'f' * 32}.a.b",
    ],
)
def test_another_systems_id_is_refused(text: str) -> None:
    with pytest.raises(MalformedEvent):
        DecisionId.parse(text)
