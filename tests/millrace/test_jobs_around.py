"""What a job is given of a topic in a real Kafka: what is behind its mark, and all of a topic that was made anew."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from millrace.jobs.around import export
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType


def test_a_mark_moves_behind_what_was_exported(kafka: str, registry_url: str, tmp_path: Path) -> None:
    settings = replace(Settings(), kafka=kafka, registry_url=registry_url, archive_url=str(tmp_path / "archive"))
    fields = [{"name": "user", "type": "string"}, {"name": "number", "type": "int"}]
    views = EventType(f"views-{uuid.uuid4().hex}", {"type": "record", "name": "View", "fields": fields}, key="user")
    file = tmp_path / "views.parquet"
    with closing(Platform(settings)) as platform:
        platform.registry.register(views)
        platform.topics.ensure(views.topic, 3)

        def sent(*numbers: int) -> None:
            for number in numbers:
                platform.producer.send(views, {"user": f"u{number % 7}", "number": number})
            platform.producer.flush()

        def exported(mark: object) -> tuple[list[int], object]:
            rows, behind = export(settings, views.topic, file, mark=mark)  # type: ignore[arg-type]
            found = sorted(pl.read_parquet(file)["number"])
            assert rows == len(found)
            return found, behind

        sent(*range(20))
        first, mark = exported({})
        sent(20, 21)
        assert (first, exported(mark)[0], exported(None)[0]) == (list(range(20)), [20, 21], list(range(22)))
        _, mark = exported(mark)
        assert exported(mark)[0] == []
        assert export(settings, views.topic, file, datetime.now(UTC) + timedelta(hours=1))[0] == 0
        assert exported({**mark, "topic": "the one before"})[0] == list(range(22))  # type: ignore[dict-item]
