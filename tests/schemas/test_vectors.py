"""Both decoders agree with the values that Apache Avro publishes for its bytes, or end in a controlled error."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas import SchemaError
from schemas.avro import of_text
from schemas.datum import datum_reader

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "avro_vectors.json").read_text("utf-8"))["cases"]

OPEN = {
    "pub/default/03_bytes": "fastavro gives a default of bytes as text",
    "pub/default/08_fixed": "fastavro gives a default of fixed as text",
    "cplx/record_called_record": "fastavro takes a record's name for a type",
}
"""Cases that wait for the issue on schema evolution; each is expected to fail until then."""


def marked(case: dict[str, Any]) -> Any:
    why = OPEN.get(case["name"])
    marks = [] if why is None else [pytest.mark.xfail(reason=why, strict=True)]
    return pytest.param(case, id=case["name"], marks=marks)


def plain(value: Any) -> Any:
    """A decoded value in the notation of the published cases."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    for kind, name in ((dt.datetime, "$datetime"), (dt.date, "$date"), (dt.time, "$time"), (UUID, "$uuid")):
        if isinstance(value, kind):
            return {name: _iso(value)}
    return {"$decimal": str(value)} if isinstance(value, Decimal) else value


def _iso(value: dt.date | dt.time | UUID) -> str:
    if isinstance(value, dt.datetime | dt.time):
        return value.isoformat(timespec="microseconds")
    return str(value)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_body_is_read_as_published(case: dict[str, Any]) -> None:
    body = bytes.fromhex(case["hex_payload"])
    try:
        writer = of_text(json.dumps(case["writer_schema"]))
        reader = writer if case["reader_schema"] is None else of_text(json.dumps(case["reader_schema"]))
        value = plain(datum_reader(writer, reader).read(body))
    except SchemaError:
        assert case.get("error") or case.get("disputed"), "a value was due"
        return
    assert not case.get("error")
    assert value in [case["expected"], case.get("expected_logical"), *case.get("also_accept", ())]
