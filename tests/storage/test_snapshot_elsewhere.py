"""A program in another language reads a snapshot by what docs/formats.md says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from storage.snapshots.model_state import state_of
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Numbers
from tests.storage.models import learn, scaled

READER = Path(__file__).with_name("snapshot.mjs")


def read_by_node(node: str, row: bytes) -> Any:
    done = subprocess.run([node, str(READER)], input=row, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_node_reads_every_kind_of_value(node: str) -> None:
    columns = np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3))
    snapshot = Snapshot(
        2**40,
        {
            "none": None,
            "yes": True,
            "count": -3,
            "rate": 0.1,
            "name": "é~",
            "w": np.array([[1.5, -2.0]], np.float32),
            "columns": columns,
            "a/b~1c/~3true": Numbers({"é": 0.25, "": 1.0}),
            "by_number": Numbers({-1: 2, 7: 3}),
            "by_label": Numbers({True: 0.5, False: 1.5}, 4),
            "window": [1, "x", None, 2.5, False],
        },
        frozenset(["rate"]),
    )
    found = read_by_node(node, snapshot.to_bytes())
    assert found["examples"] == 2**40
    assert [item["path"] for item in found["values"]] == list(snapshot.values)
    assert [item["path"] for item in found["values"] if item["asMade"]] == ["rate"]
    assert [item["value"] for item in found["values"]] == [
        None,
        True,
        -3,
        0.1,
        "é~",
        {"shape": [1, 2], "columns": False, "items": [1.5, -2]},
        {"shape": [2, 3], "columns": True, "items": [0, 3, 1, 4, 2, 5]},
        [["é", 0.25], ["", 1]],
        [[-1, 2], [7, 3]],
        [[1, 0.5], [0, 1.5]],
        [1, "x", None, 2.5, False],
    ]


def test_node_reads_the_weights_of_a_model_of_rivers(node: str) -> None:
    model = scaled()
    for number in range(5):
        learn(model, {"a": float(number), "b": 1.0}, number % 2 == 0)
    values, as_made = state_of(model, scaled())
    found = read_by_node(node, Snapshot(5, values, as_made).to_bytes())
    weights = {item["path"]: item["value"] for item in found["values"]}["steps/LogisticRegression/_weights"]
    assert dict(weights) == model["LogisticRegression"].weights
