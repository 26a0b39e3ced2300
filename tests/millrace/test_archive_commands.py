"""`millrace archive` on the command line."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.archive import ArchiveMissing, shelf_of
from millrace.cli import app
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType
from schemas.event_type import ARCHIVE
from streams import Kafka, Topics
from streams.errors import ArchiveUnavailable


def test_a_partition_that_the_topic_does_not_have_is_told(
    kafka: str, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_KAFKA", kafka)
    monkeypatch.setenv("MILLRACE_REGISTRY_URL", registry_url)
    monkeypatch.setenv("MILLRACE_ARCHIVE_URL", str(tmp_path))
    topic = f"clicks-{uuid.uuid4().hex}"
    with closing(Topics(Kafka(kafka))) as topics:
        topics.ensure(topic, 2)

    with pytest.raises(ArchiveMissing, match=f"{topic} has no partition 7; they are numbered from 0 to 1"):
        CliRunner().invoke(app, ["archive", "skip", topic, "7"], catch_exceptions=False)


def test_an_archive_that_is_not_asked_for_any_more_is_listed_and_says_so(
    kafka: str, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(Settings.load(), kafka=kafka, registry_url=registry_url, archive_url=str(tmp_path))
    monkeypatch.setattr(Settings, "load", lambda: settings)
    names = [f"clicks-{uuid.uuid4().hex}" for _ in range(2)]
    with closing(Platform(settings)) as platform:
        for name, asks in zip(names, (True, False), strict=True):
            schema = {"type": "record", "name": "C", "fields": [{"name": "user", "type": "string"}], ARCHIVE: asks}
            event_type = EventType(name, schema)
            platform.registry.register(event_type)
            platform.topics.ensure(name, 1)
            shelf_of(settings).table(name).create(event_type.frame_schema)
    told = CliRunner().invoke(app, ["archive", "list", "--output", "json"], catch_exceptions=False)
    listed = {row["topic"]: row for row in json.loads(told.stdout)}
    assert [listed[name]["asks"] for name in names] == [True, False]
    assert [listed[name]["missed"] for name in names] == [0, 0]


def test_all_archives_are_tidied_but_those_that_do_not_answer_which_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(Settings.load(), archive_url=str(tmp_path))
    monkeypatch.setattr(Settings, "load", lambda: settings)
    schema = {"type": "record", "name": "C", "fields": [{"name": "user", "type": "string"}]}
    for name in ("broken", "clicks", "damaged"):
        shelf_of(settings).table(name).create(EventType(name, schema).frame_schema)
    for name in ("broken", "damaged"):
        for file in (tmp_path / name / "_delta_log").glob("*.json"):
            file.write_text("no commit")

    told = CliRunner().invoke(app, ["archive", "tidy"])

    assert "clicks has 0 files." in told.output
    assert isinstance(told.exception, ArchiveUnavailable)
    assert all(name in str(told.exception) for name in ("broken", "damaged"))
