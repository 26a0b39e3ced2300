"""A data product over a topic of its own, whose learner's version is raised, and what it must have learned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

import millrace as mr
from millrace.archive import shelf_of
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from storage import to_frame
from streams.archive.columns import rows

PARTITIONS = 3
EVENTS = """
import millrace as mr

class Note(mr.Event, topic="{topic}", key="user", archive=True):
    user: str
    number: int
    tag: str
"""
LEARNERS = """
import millrace as mr
from .events import Note

class Last(mr.Record):
    user: str
    numbers: list[int]

class Notes(mr.EventLearner[Note]):
    version = {version}
    last = mr.Records("last", Last)
    tags = mr.Counters("tags")

    def learn(self, note):
        known = self.last.get(note.user)
        numbers = [*(known.numbers if known is not None else []), note.number][-20:]
        self.last.put_one(note.user, Last(note.user, numbers))
        self.tags.add_one({tag}, "count", {weight})
"""


def write(folder: Path, topic: str, version: int = 1, weight: int = 1, tag: str = "note.tag") -> Path:
    """The product's folder; each version may count tags by another weight, or something else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.py").write_text(EVENTS.format(topic=topic))
    (folder / "learners.py").write_text(LEARNERS.format(version=version, weight=weight, tag=tag))
    return folder


def prepare(folder: Path, settings: Settings) -> None:
    """Register its events and make the topic."""
    with closing(Platform(settings)) as platform:
        platform.prepare(Product.load(folder))


def note(number: int) -> dict[str, Any]:
    """The event of a number."""
    return {"user": f"u{number * 7919 % 101}", "number": number, "tag": f"t{number % 7}"}


def emit(folder: Path, settings: Settings, numbers: Iterable[int]) -> None:
    """Send the events of these numbers, and wait until Kafka has them."""
    event_type = next(iter(Product.load(folder).event_types.values()))
    with closing(Platform(settings)) as platform:
        for number in numbers:
            platform.producer.send(event_type, note(number))
        platform.producer.flush()


def archive(folder: Path, settings: Settings) -> None:
    """Archive what the log holds and the archive has not, as an archiver does."""
    event_type = next(iter(Product.load(folder).event_types.values()))
    table = shelf_of(settings).table(event_type.topic)
    table.create(event_type.frame_schema)
    log = mr.scan(event_type.topic, archived=False, settings=settings).collect().sort("_partition", "_offset")
    for (partition,), part in log.partition_by("_partition", as_dict=True).items():
        before = table.position(int(str(partition)))
        fresh = part.filter(pl.col("_offset") >= (before or 0))
        offsets, times = fresh["_offset"].to_numpy(), fresh["_timestamp"].dt.timestamp("ms").to_numpy()
        frame = rows(fresh.select(*event_type.frame_schema), int(str(partition)), offsets, times)
        if frame.height:
            table.append(frame, {int(str(partition)): (before, int(offsets[-1]) + 1)})


def forget(settings: Settings, topic: str, share: float) -> None:
    """Let Kafka lose the first part of each partition, as retention does."""
    with closing(Platform(settings)) as platform:
        spans = platform.topics.ends([topic])
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    before = [TopicPartition(topic, at, low + int((high - low) * share)) for (_, at), (low, high) in spans.items()]
    for done in admin.delete_records(before).values():
        done.result(30)


def learned(settings: Settings, version: int) -> tuple[dict[str, list[int]], dict[str, int]]:
    """What a version holds: the last numbers of each user, and how often each tag was counted."""
    with closing(Platform(settings)) as platform:
        technology = platform.technologies[settings.default_technology]
        found: dict[str, Any] = {}
        for item in technology.storages():
            if item.version == version and item.name in ("last", "tags"):
                found[item.name] = to_frame(_Form(item.format), technology, item)  # type: ignore[arg-type]
    tags = dict(found["tags"].select("key", "value").iter_rows())
    return dict(found["last"].select("user", "numbers").iter_rows()), tags


def expected(count: int, weight: int = 1) -> tuple[dict[str, list[int]], dict[str, int]]:
    """A fold of the first events from the log's beginning on, by a plain loop."""
    last: dict[str, list[int]] = defaultdict(list)
    tags: Counter[str] = Counter()
    for event in map(note, range(count)):
        last[event["user"]] = [*last[event["user"]], event["number"]][-20:]
        tags[event["tag"]] += weight
    return dict(last), dict(tags)


class _Form:
    """What `to_frame` asks of a format."""

    def __init__(self, format: str) -> None:
        self.format = format
