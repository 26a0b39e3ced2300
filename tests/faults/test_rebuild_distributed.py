"""A rebuild that a cluster fills is the fold, on more than one node; `make prove-batch` installs Ray and proves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.prove_batch.distributed import PYTHON, filled


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PYTHON.exists(), reason="scripts/distributed was not run; `make prove-batch` runs it")
def test_two_nodes_fill_a_version_with_the_rows_of_a_fold_from_offset_zero(tmp_path: Path) -> None:
    nodes = filled(tmp_path, 200_000)  # two executors are killed meanwhile

    assert len(nodes) == 4
    assert len(set(nodes.values())) == 2
