"""Old versions are collected beside a worker's folding, in every technology that holds any."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from millrace.collector import Collector, collected, retention_of
from millrace.platform import Platform
from millrace.settings import Settings
from storage import Address, Descriptor, Ranking, Technology, UnitId, Writes
from storage.formats.blank import blank
from storage.retention import Retention
from storage.versions import create


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A relational database in a file, and a Redis that is away."""
    settings = Settings(
        redis_url="redis://127.0.0.1:1/0", relational_url=f"sqlite:///{tmp_path}/relational.db", keep_versions=0
    )
    with closing(Platform(replace(settings, keep_hours=0))) as platform:
        yield platform


def superseded(technology: Technology) -> Descriptor:
    """A version that its name has left."""
    one = create(technology, blank("relational", "ranking", "popular", {}), "ada")
    two = technology.declare(replace(one, version=2))
    technology.switch([two])
    return one


def test_the_rule_is_that_of_the_settings() -> None:
    assert retention_of(Settings()) == Retention(1, timedelta(hours=24))


def test_one_technology_that_is_away_is_said_and_the_others_are_collected(platform: Platform) -> None:
    one = superseded(platform.technologies["relational"])
    rule = retention_of(platform.settings)
    would, problems = collected(platform, rule, dry_run=True)
    assert ([item.title for item in would], len(problems)) == ([one.title], 1)
    assert problems[0].startswith("redis: ")
    assert len(platform.technologies["relational"].storages()) == 2
    gone, _ = collected(platform, rule)
    assert [item.title for item in gone] == [one.title]
    assert [item.version for item in platform.technologies["relational"].storages()] == [2]


def test_one_technology_that_another_program_has_damaged_is_said_and_the_others_are_collected(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    superseded(platform.technologies["relational"])

    def damaged(*arguments: object) -> None:
        raise KeyError("next")

    monkeypatch.setattr("millrace.collector.collect", damaged)
    gone, problems = collected(platform, retention_of(platform.settings))
    assert gone == []
    assert "relational: KeyError: 'next'" in problems


def test_what_has_decayed_is_removed_too_and_looked_for_once_per_bucket(platform: Platform) -> None:
    technology = platform.technologies["relational"]
    item = technology.declare(Ranking("trend", half_life=timedelta(hours=1)).describe("trends", 1, 1, "clicks"))
    claim = technology.claim(UnitId("trends", 1, 1, "clicks", 0), "a")
    rows = {Address("ranking/trend", "all", bucket): {"x": 1.0} for bucket in (1, 7, 8)}
    technology.commit(claim, None, 1, Writes(scores=rows), None)
    trimmed: dict[str, int] = {}
    collected(platform, retention_of(platform.settings), dry_run=True, trimmed=trimmed)
    assert len(dict(technology.dump(item))) == 3
    collected(platform, retention_of(platform.settings), trimmed=trimmed)
    assert sorted(address.bucket or 0 for address, _ in technology.dump(item)) == [7, 8]
    assert list(trimmed.values()) == [8]


def test_it_collects_by_itself_until_it_is_closed_and_says_what_it_removed(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "millrace")
    one = superseded(platform.technologies["relational"])
    collector = Collector(platform, every=0.05)
    collector.start()
    until = time.monotonic() + 20
    while one.title not in caplog.text and time.monotonic() < until:
        time.sleep(0.02)
    collector.close()
    assert f"{one.title} has been removed" in caplog.text
    assert caplog.text.count("redis: ") == 1
