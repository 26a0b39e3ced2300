"""The disk of a server is full while a learner commits: nothing is lost, what is wrong is said, and it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.prove_storage.full_disk import outlive
from benchmarks.prove_storage.small_disk import NoDisk
from millrace.stack import StackError
from tests.conftest import unavailable


@pytest.mark.server
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sqlite", "database or disk is full"),
        ("postgresql", "No space left on device; make room on its disk, and it goes on"),
        ("redis everysec", "No space left on device"),
    ],
)
def test_a_learner_outlives_a_full_disk(tmp_path: Path, name: str, said: str) -> None:
    """Cassandra's and OpenSearch's take minutes: `python -m benchmarks.prove_storage.full_disk`."""
    try:
        found = outlive(name, tmp_path / "disk")
    except NoDisk as error:
        pytest.skip(str(error))
    except StackError as error:
        unavailable(error)
    print(found)
    assert (found.lost, found.wrong) == (0, 0)
    assert said in found.refusals[0]
    assert not found.restarted
