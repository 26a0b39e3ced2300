"""The quick writer of decisions writes what the writer of all schemas would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas import Decision
from schemas.decision_bytes import decision_bytes
from tests.decisions import read_decision

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
LONG = st.builds(lambda text, times: text * times, TEXTS, st.integers(0, 300))
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda at: (at.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-10, 10)


@st.composite
def decisions(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a decision; times are in milliseconds."""
    optional = st.none() | TEXTS
    return {
        **{name: draw(TEXTS) for name in ("id", "endpoint", "implementation", "hash", "unit")},
        **{name: draw(optional) for name in ("experiment", "variant", "failed", "reason", "shadow_of", "features")},
        **{name: draw(LONG) for name in ("request", "answer")},
        **{name: draw(NUMBERS) for name in ("propensity", "latency_ms")},
        "as_of": draw(st.none() | MOMENTS),
        "at": draw(MOMENTS),
    }


def written(values: dict[str, Any]) -> bytes:
    """By the quick writer."""
    by = tuple(values[name] for name in ("endpoint", "implementation", "hash", "experiment", "variant"))
    why = tuple(values[name] for name in ("failed", "reason", "shadow_of"))
    used = None if values["features"] is None else values["features"].encode()
    bodies = values["request"].encode(), values["answer"].encode()
    about = values["as_of"], values["latency_ms"], values["at"]
    return decision_bytes(values["id"], by, values["unit"], values["propensity"], *bodies, *about, why, used)


def event(values: dict[str, Any]) -> dict[str, Any]:
    """The same as an event has them."""
    at = {
        name: None if values[name] is None else EPOCH + timedelta(milliseconds=values[name]) for name in ("as_of", "at")
    }
    return {**values, **at}


@given(decisions())
def test_its_bytes_are_those_of_the_general_writer(values: dict[str, Any]) -> None:
    assert written(values) == Decision.event_type.writer.write(event(values), "decisions")


def test_bodies_of_every_length_up_to_three_bytes_of_length_are_read_again() -> None:
    values: dict[str, Any] = dict.fromkeys(("endpoint", "implementation", "hash", "unit"), "e")
    values |= dict.fromkeys(("experiment", "variant", "failed", "reason", "shadow_of", "features", "as_of"))
    values |= {"id": "i", "propensity": 1.0, "latency_ms": 0.5, "at": 0}
    for size in (0, 1, 63, 64, 127, 128, 8_191, 8_192, 8_193, 200_000, 1_048_575, 1_048_576):
        values |= {"request": "r" * size, "answer": "ä" * (size // 2)}
        assert read_decision(written(values)) == event(values)


def test_what_it_knows_is_every_field_of_the_schema_in_its_order() -> None:
    """A field that is added to `Decision` has to be added there too."""
    order = [field["name"] for field in Decision.event_type.schema["fields"]]
    assert order == [
        *("id", "endpoint", "implementation", "hash", "experiment", "variant", "unit", "propensity"),
        *("request", "answer", "as_of", "latency_ms", "at", "failed", "reason", "shadow_of", "features"),
    ]
