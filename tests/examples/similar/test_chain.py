"""The example's whole chain on the real Kafka: events, a program in JavaScript, vectors, and answers from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.prove_batch.chain import chained
from millrace.settings import Settings
from tests.conftest import free_ports


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_node_has_trained_answers_and_a_run_that_fails_changes_no_answer(
    kafka: str, registry_url: str, node: str, tmp_path: Path
) -> None:
    service, redis = free_ports(2)
    settings = Settings(
        kafka=kafka,
        registry_url=registry_url,
        redis_url=f"redis://127.0.0.1:{redis}/0",
        relational_url=f"sqlite:///{tmp_path}/relational.db",
        service_port=service,
        state_dir=tmp_path / "state",
    )

    found = chained(tmp_path, settings)

    assert found.holds, found
    assert (found.likes, found.vectors) == (2_400, 40)
