"""A decision's id says when it was made and for whom."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from schemas import DecisionId, MalformedEvent
from schemas.decision_id import numbered


def test_an_id_survives_its_text() -> None:
    made = DecisionId.new("recommend", "popular_now")
    assert DecisionId.parse(made.text) == made
    assert DecisionId.parse(str(DecisionId.new())).experiment is None


def test_an_id_carries_the_group_of_its_unit_and_a_weight_in_a_uuid_like_others() -> None:
    for group, weight in ((0, None), (511, None), (17, 10_000), (374, 1), (1, 65_535)):
        made = DecisionId.parse(DecisionId.new("recommend", "popular_now", group, weight).text)
        assert (made.group, made.weight) == (group, weight)
        assert (UUID(made.number).version, UUID(made.number).variant) == (7, "specified in RFC 4122")
    assert len({DecisionId.new("a", "b", 1).text for _ in range(10_000)}) == 10_000
    assert sum(DecisionId.new("a", "b").group is None for _ in range(100)) > 90
    assert DecisionId(numbered(0, 0x6D7 << 62)).group is None  # its free bits are the mark


def test_an_id_is_a_uuid_of_version_7_that_knows_its_time() -> None:
    made = DecisionId.new()
    number = UUID(made.number)
    assert (number.version, number.variant) == (7, "specified in RFC 4122")
    assert abs(datetime.now(UTC) - made.at) < timedelta(seconds=5)


def test_ids_differ() -> None:
    assert len({DecisionId.new().text for _ in range(10_000)}) == 10_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    random_part = slice(16, None)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, DecisionId.new().number[random_part].encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        theirs = pipe.read()
    assert len(theirs) == 16
    assert theirs != DecisionId.new().number[random_part]


def test_a_time_after_the_year_9999_is_refused_and_the_last_one_before_is_read() -> None:
    with pytest.raises(MalformedEvent, match="after the year 9999"):
        DecisionId.parse("f" * 32 + ".a.b")
    last = int(datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC).timestamp()) * 1000 + 999
    assert DecisionId.parse(f"{last:012x}" + "0" * 20 + ".a.b").at.year == 9999
    with pytest.raises(MalformedEvent):
        DecisionId.parse(f"{last + 1:012x}" + "0" * 20 + ".a.b")


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
