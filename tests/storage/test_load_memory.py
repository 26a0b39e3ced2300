"""A load needs memory for a piece of its file, however large the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DIMENSIONS, ROWS, PARTS = 128, 100_000, 6
MEBIBYTE = 1 << 20

LOAD = """
import resource, sys
from pathlib import Path
from storage.loads.load import load
from storage.loads.descriptor import Given
from storage.technologies import opened

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

technology = opened("relational", sys.argv[1])
before = most()
load(technology, "vectors", "it", Path(sys.argv[2]), Given(), "ada")
technology.close()
print(most() - before)
"""


@pytest.mark.slow
def test_a_file_twice_as_large_as_the_memory_that_its_load_may_take(tmp_path: Path) -> None:
    file = tmp_path / "vectors.parquet"
    schema = pa.schema([("key", pa.string()), ("vector", pa.list_(pa.float32()))])
    with pq.ParquetWriter(file, schema) as writer:
        for part in range(PARTS):
            writer.write_table(_part(part, schema), row_group_size=ROWS)
    assert file.stat().st_size > 300 * MEBIBYTE * 0.9
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    run = subprocess.run(
        [sys.executable, "-c", LOAD, url, str(file)], capture_output=True, text=True, check=True, timeout=110
    )
    assert int(run.stdout) < 150 * MEBIBYTE, f"{int(run.stdout) / MEBIBYTE:.0f} MiB"


def _part(part: int, schema: pa.Schema) -> pa.Table:
    numbers = np.random.default_rng(part).random(ROWS * DIMENSIONS, np.float32)
    ends = pa.array(np.arange(0, ROWS * DIMENSIONS + 1, DIMENSIONS, dtype=np.int32))
    keys = pa.array([f"k{part * ROWS + number}" for number in range(ROWS)])
    return pa.Table.from_arrays([keys, pa.ListArray.from_arrays(ends, pa.array(numbers))], schema=schema)
