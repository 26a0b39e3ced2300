"""The fold per user over the archive: no Kafka, no Avro, rows in memory, and a batch for each partition of the log."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.process import millrace_process
from benchmarks.prove_storage.member import until
from benchmarks.prove_streams.plays import TOPIC
from benchmarks.prove_streams.product.events import Play
from benchmarks.prove_streams.product.user import PlaysOfUser
from learners import Replay
from millrace.archive import shelf_of
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType
from schemas.event_type import ARCHIVE
from streams.archive import ArchiveTable, scan

PATIENCE = 300.0
MOST = 500_000
"""Events of each partition that are folded."""


def rate(folder: Path, settings: Settings, events: int) -> float:
    """Events per second of the reading, the ordering and the folding, once all of the topic is archived. Blocks."""
    own = replace(settings, archive_url=str(folder / "archive"), archive_seconds=1)
    with closing(Platform(own)) as platform:
        archived = EventType(TOPIC, {**Play.event_type.schema, ARCHIVE: True}, Play.event_type.key)
        platform.registry.register(archived)
        table = shelf_of(own).table(TOPIC)
        with millrace_process(folder, own, "archive", "run", "--name", "archiver"):
            until(lambda: _rows(table) >= events, PATIENCE, "The archive of all events")
        replay = Replay([PlaysOfUser], {TOPIC: Play.event_type})
        begun, folded = time.monotonic(), 0
        found = scan(table, Play.event_type, None, platform.codec).filter(pl.col("_offset") < MOST)
        for part in found.sort("_partition", "_offset").collect().partition_by("_partition", maintain_order=True):
            replay.fold_frame(TOPIC, part.select(list(Play.event_type.frame_schema)))
            folded += part.height
        return folded / (time.monotonic() - begun)


def _rows(table: ArchiveTable) -> int:
    return table.size()["rows"] if table.look() else 0
