"""`millrace archive` on the command line."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.archive import ArchiveMissing
from millrace.cli import app
from streams import Kafka, Topics


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
