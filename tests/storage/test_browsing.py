"""A row of any format as values that JSON knows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from schemas import encode_record
from storage import Address, Memory, MemoryReads, SuspectGeneration, Writes, browsing
from storage.formats.blank import blank
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Numbers
from tests.storage.form_stage import Row

MANY = Numbers({str(number): 1.0 for number in range(1_000)})
MODEL = Snapshot(
    7, {"w": np.arange(3.0), "big": np.zeros((20, 10)), "by": Numbers({"a": 1.0}), "many": MANY, "rate": 0.5}
)


def written(format: str, options: dict[str, Any]) -> Writes:
    address = Address(f"{format}/it", "k")
    return {
        "ranking": Writes(ranks={address: {"a": 1.0, "b": 2.0}}),
        "counters": Writes(sums={address: {"count": 3}}),
        "records": Writes(puts={address: encode_record(Row, Row("u", ["x"], 3))}),
        "vectors": Writes(puts={address: np.array([1, 2], "<f4").tobytes()}),
        "parameters": Writes(puts={address: MODEL.to_bytes()}),
    }[format]


@pytest.mark.parametrize(
    ("format", "options", "value"),
    [
        ("ranking", {}, [{"member": "b", "score": 2.0}]),
        ("counters", {}, {"count": 3}),
        ("records", {}, {"user": "u", "items": ["x"], "seen": 3}),
        ("vectors", {"dimensions": 2}, [1.0, 2.0]),
        (
            "parameters",
            {},
            {
                "examples": 7,
                "w": [0.0, 1.0, 2.0],
                "big": {"shape": [20, 10], "type": "float64", "beginning": [0.0] * 100},
                "by": {"a": 1.0},
                "many": {"numbers": 1_000, "beginning": {str(number): 1.0 for number in range(100)}},
                "rate": 0.5,
            },
        ),
    ],
)
async def test_a_row_is_read_by_its_key(format: str, options: dict[str, Any], value: Any) -> None:
    memory = Memory()
    item = memory.declare(blank("memory", format, "it", options, Row.avro_schema() if format == "records" else None))
    memory.fill(item, written(format, options))
    reads = MemoryReads(memory)
    assert json.loads(json.dumps(await browsing.row(reads, item, "k", 1))) == value
    assert await browsing.row(reads, item, "nobody") is None


async def test_a_row_that_another_program_wrote_is_suspect_and_named() -> None:
    memory = Memory()
    item = memory.declare(blank("memory", "records", "it", {}, Row.avro_schema()))
    memory.fill(item, Writes(puts={Address("records/it", "k"): b"\x10ab"}))
    with pytest.raises(SuspectGeneration, match=r"The row 'k' of memory/records/it@1 is not as its writer leaves it"):
        await browsing.row(MemoryReads(memory), item, "k")
