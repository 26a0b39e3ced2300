"""What an answer is logged as is the same whichever way it takes: the quick one, the general one, or over the spool."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import Decision, DecisionId
from schemas.errors import MalformedEvent
from serving.decisions import entry as decision_entry
from serving.decisions.entry import LONGEST_UNIT, Entry, body_of, key_of, spooled, unspooled, values_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
NAMES = st.text("abcXYZ_09", min_size=1, max_size=20)
BODIES = st.binary(max_size=50) | st.builds(
    lambda body, times: body * times, st.binary(max_size=20), st.integers(9, 20)
)
WRONG = {
    "no messagepack": b"\xc1",
    "no fields": msgspec.msgpack.encode([1, 2]),
    "no id": msgspec.msgpack.encode({"endpoint": "recommend"}),
}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any answer. Bodies are bytes of any kind, also such as are cut."""
    experiment, variant = draw(st.tuples(st.none(), st.none()) | st.tuples(NAMES, NAMES))
    group, weight = draw(st.tuples(st.none() | st.integers(0, 511), st.none() | st.integers(1, 9_999)))
    moments = st.integers(-(10**11), 10**13).map(lambda at: NOON + timedelta(milliseconds=at))
    others = {name: draw(st.none() | TEXTS) for name in ("failed", "reason", "shadow_of", "features")}
    return plain(
        id=DecisionId.new(experiment, variant, group, weight),
        **{name: draw(TEXTS) for name in ("endpoint", "implementation", "hash")},
        unit=draw(TEXTS) * draw(st.sampled_from([1, 300])),
        propensity=draw(st.floats(0, 1)),
        request=draw(BODIES),
        answer=draw(BODIES),
        as_of=draw(st.none() | moments),
        latency_ms=draw(st.floats(allow_nan=False)),
        **others,
    )


def plain(**others: Any) -> Entry:
    """An answer as most are, but for these fields."""
    made = Entry(DecisionId.new(), "recommend", "popular", "abc", "u1", 1.0, b"{}", b"[]", NOON, 0.5)
    return made._replace(**others)


def formerly_spooled(entry: Entry) -> bytes:
    """As services spooled it that had the event's fields in memory, with those that the id says too."""
    values = values_of(entry)
    assert {"experiment", "variant", "at"} < set(values)
    return msgspec.msgpack.encode(values)


@pytest.fixture(scope="module", autouse=True)
def bodies_are_cut_early() -> Iterator[None]:
    """So that those which are cut can be read here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision_entry, "LONGEST_BODY", 200)
        yield


@given(entries())
def test_the_quick_way_says_what_the_general_one_does(entry: Entry) -> None:
    values = values_of(entry)
    assert body_of(entry) == Decision.event_type.writer.write(values, "decisions")
    assert key_of(entry) == Decision.event_type.key_of(values)


@given(entries())
@example(plain(request=b"\xff" * 200, answer=b'"' + "ä".encode() * 200))
def test_what_comes_out_of_the_spool_is_what_would_have_been_sent(entry: Entry) -> None:
    at, body = spooled(entry)
    assert at == entry.id.at_ms
    again = unspooled(body)
    assert again.id == entry.id
    assert values_of(again) == values_of(entry)
    assert body_of(again) == body_of(entry)
    assert spooled(again) == (at, body)


@given(entries())
def test_a_spool_that_an_earlier_release_has_left_is_read(entry: Entry) -> None:
    assert values_of(unspooled(formerly_spooled(entry))) == values_of(entry)


def test_a_record_from_before_there_were_shadows_is_read() -> None:
    values = values_of(plain())
    for name in ("failed", "reason", "shadow_of", "features"):
        del values[name]
    assert values_of(unspooled(msgspec.msgpack.encode(values))) == {**values_of(plain()), **values}


def test_a_unit_that_is_cut_is_its_own_key() -> None:
    entry = plain(unit="ü" * (LONGEST_UNIT + 1))
    assert key_of(entry) == ("ü" * LONGEST_UNIT).encode()
    assert values_of(unspooled(spooled(entry)[1]))["unit"] == values_of(entry)["unit"] == "ü" * LONGEST_UNIT


def test_a_body_that_is_cut_says_once_of_how_many_bytes() -> None:
    entry = plain(answer=b"x" * 500)
    for one in (entry, unspooled(spooled(entry)[1])):
        assert values_of(one)["answer"].endswith("x… cut after 200 of 500 bytes")


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_decision_is_refused(name: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        unspooled(WRONG[name])


def test_an_id_that_is_none_is_refused() -> None:
    with pytest.raises(MalformedEvent):
        unspooled(msgspec.msgpack.encode({**values_of(plain()), "id": "0" * 32}))
