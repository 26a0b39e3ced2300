"""Rows of numbers are read as any decoder reads them, however they are laid out."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.datum import DatumReader
from schemas.datum_writer import DatumWriter
from schemas.errors import MalformedEvent
from schemas.numbers_reader import NumbersReader

SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "age", "type": "double"},
        {"name": "counts", "type": {"type": "map", "values": "double"}},
        {"name": "means", "type": {"type": "map", "values": "double"}},
        {"name": "score", "type": "double"},
    ],
}
NUMBERS = st.floats(width=64)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
LAYOUTS = st.tuples(st.lists(NAMES, max_size=4, unique=True), st.lists(NAMES, max_size=70, unique=True))


def bits(value: Any) -> Any:
    """Numbers by their bits, as NaN equals nothing."""
    return struct.pack("<d", value) if isinstance(value, float) else {k: bits(v) for k, v in value.items()}


@given(data=st.data(), layouts=st.lists(LAYOUTS, min_size=1, max_size=3))
def test_rows_are_read_as_a_decoder_of_any_schema_reads_them(data: st.DataObject, layouts: list[Any]) -> None:
    writer, reader = DatumWriter(SCHEMA), DatumReader(SCHEMA, SCHEMA)
    for counts, means in data.draw(st.lists(st.sampled_from(layouts), max_size=12)):
        row = {
            "age": data.draw(NUMBERS),
            "counts": {name: data.draw(NUMBERS) for name in counts},
            "means": dict.fromkeys(means, math.pi),
            "score": data.draw(NUMBERS),
        }
        body = writer.write(row, "Row")
        assert list(reader.read_trusted(body)["means"]) == means
        assert bits(reader.read_trusted(body)) == bits(row)
        with pytest.raises(MalformedEvent):
            reader.read_trusted(body[:-1])


def test_rows_that_differ_each_time_are_learnt_from_ever_more_seldom() -> None:
    writer = DatumWriter(SCHEMA)
    numbers = NumbersReader.of(SCHEMA)
    assert numbers is not None
    layouts = set()
    for number in range(1_000):
        row = {"age": 0.0, "counts": {str(number): 1.0}, "means": {}, "score": 0.0}
        if numbers.read(writer.write(row, "Row")) is None:
            numbers.learn(row)
        layouts.add(id(numbers._layout))
    assert len(layouts) <= 12


@pytest.mark.parametrize("kind", ["float", "long", ["null", "double"], {"type": "map", "values": "long"}])
def test_other_schemas_have_none(kind: Any) -> None:
    assert NumbersReader.of({"type": "record", "name": "Row", "fields": [{"name": "x", "type": kind}]}) is None
