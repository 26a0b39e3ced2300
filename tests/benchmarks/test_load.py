"""The measurement of loads runs, on both technologies, and leaves nothing."""

from __future__ import annotations

from contextlib import closing

import pytest

from benchmarks.prove_storage import load
from storage.technologies import opened


def test_a_load_is_measured_beside_the_bulk_path_of_each_technology(
    redis_clean: str, postgresql_clean: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load, "KEYS", 1_000)
    assert load.measure(redis_clean, postgresql_clean, rounds=1) > 0
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["redis", "relational"]
    for name, url in (("redis", redis_clean), ("relational", postgresql_clean)):
        with closing(opened(name, url)) as technology:
            assert technology.storages() == []
            assert technology.aliases() == {}
