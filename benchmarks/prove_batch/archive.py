"""`millrace archive run` beside the ceiling: consume and decode in columns, and nothing else."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.process import millrace_process
from benchmarks.prove_batch.extent import Extent
from benchmarks.prove_streams import contestants, plays
from benchmarks.prove_streams.plays import TOPIC
from benchmarks.prove_streams.product.events import Play
from benchmarks.prove_streams.progress import measured
from benchmarks.prove_streams.stage import broker
from benchmarks.report import say
from millrace.archive import shelf_of
from millrace.platform import Platform
from millrace.settings import Settings
from schemas import EventType
from schemas.event_type import ARCHIVE
from streams.archive import ArchiveTable

WARM = 2.0
PATIENCE = 300.0


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The key of the archive's speed: the median of the rounds' ratios of events per second."""
    found = []
    with broker(folder / "stack") as settings:
        plays.fill(settings, extent.events)
        with closing(Platform(settings)) as platform:
            platform.registry.register(EventType(TOPIC, {**Play.event_type.schema, ARCHIVE: True}, Play.event_type.key))
        for number in range(extent.rounds):
            with contestants.ceiling(folder / f"ceiling-{number}", settings) as counting:
                most = measured("ceiling", counting, WARM, extent.seconds, extent.events)
            rate = _archived(folder / f"archive-{number}", settings, number, extent.events)
            say(f"ceiling {most:,.0f} events/s, archive {rate:,.0f} events/s")
            found.append(rate / most)
    return {"archive_vs_ceiling": round(median(found), 3)}


def _archived(folder: Path, settings: Settings, number: int, events: int) -> float:
    """Archive the whole topic anew; events per second from the first commit to the last, by the table's own history."""
    own = replace(settings, archive_url=str(folder / "archive"), archive_seconds=1)
    table = shelf_of(own).table(TOPIC)
    with millrace_process(folder, own, "archive", "run", "--name", f"archiver-{number}"):
        until = time.monotonic() + PATIENCE
        while not table.look() or table.size()["rows"] < events:
            if time.monotonic() > until:
                raise RuntimeError(f"{events:,} events are not archived within {PATIENCE:.0f} s; see {folder}.")
            time.sleep(0.5)
    return _rate(table)


def _rate(table: ArchiveTable) -> float:
    commits = table.commits()
    if len(commits) < 2:
        raise RuntimeError("Everything was archived in one commit; a rate needs more events.")
    (first, _), (last, _) = commits[0], commits[-1]
    return sum(rows for _, rows in commits[1:]) / (last - first).total_seconds()
