"""What a product's jobs run among, of a platform's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from learners.jobs.errors import JobFailed
from learners.jobs.exported import Mark
from learners.jobs.run import Around
from millrace.commands.me import me
from millrace.jobs.alert import tell
from millrace.jobs.product_jobs import ProductJobs
from millrace.platform import Platform
from millrace.settings import FOLDER, Settings
from storage import Technology


def home_of(settings: Settings) -> Path:
    """The folder of all jobs of a platform."""
    return (settings.state_dir / "jobs").absolute()


def around(jobs: ProductJobs, settings: Settings, seen: Callable[[bytes], None] = lambda part: None) -> Around:
    """For one product. Opens no connection yet.

    Args:
        seen: is given what commands print.
    """
    return Around(
        product=jobs.product,
        folder=jobs.folder,
        home=home_of(settings),
        opened=partial(_opened, settings),
        export=partial(export, settings),
        newest_day=partial(newest_day, settings),
        made_by=me(),
        alert=partial(tell, settings.jobs_webhook_url),
        environment=_environment(),
        seen=seen,
    )


def _environment() -> dict[str, str]:
    """What commands inherit: Millrace's own find this folder's settings, and are found."""
    programs = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    return {**os.environ, FOLDER: os.environ.get(FOLDER, os.getcwd()), "PATH": programs}


@contextmanager
def _opened(settings: Settings, technology: str) -> Iterator[Technology]:
    with closing(Platform(settings)) as platform:
        yield platform.technologies[technology]


def export(
    settings: Settings, topic: str, path: Path, since: datetime | None = None, mark: Mark | None = None
) -> tuple[int, Mark]:
    """Write a topic's events, archived and in Kafka, to a file, in the order of the log within a partition. Blocks.

    Args:
        since: only those that the log took since then.
        mark: only those behind it; see `learners.jobs.exported`. A topic that was made anew begins anew.

    Returns:
        how many, and the mark behind them.

    Raises as `mr.scan` does, and `JobFailed` where they cannot be of this kind.
    """
    import polars as pl

    from millrace.scanning import scan

    frame, identity = scan(topic, since=since, settings=settings), ""
    place, offset = pl.col("_partition"), pl.col("_offset")
    if mark is not None:
        with closing(Platform(settings)) as platform:
            identity = platform.topics.identity(topic)
    known = mark["next"] if mark and mark["topic"] == identity else {}
    frame = frame.filter(*(~((place == int(partition)) & (offset < start)) for partition, start in known.items()))
    found = frame.sort("_partition", "_offset").collect()
    writes: Mapping[str, Callable[[Path], object]] = {
        ".parquet": found.write_parquet,
        ".arrow": found.write_ipc,
        ".csv": found.write_csv,
        ".ndjson": found.write_ndjson,
    }
    try:
        writes[path.suffix](path)
    except pl.exceptions.PolarsError as error:
        raise JobFailed(
            f"{path.name} cannot hold them: {error}. Records and lists need .parquet or .ndjson."
        ) from error
    ends = {str(partition): end + 1 for partition, end in found.group_by(place).agg(offset.max()).iter_rows()}
    return found.height, {"topic": identity, "next": {**known, **ends}}


def newest_day(settings: Settings, topic: str) -> str | None:
    """The newest day of a topic's archive that is complete. Blocks. Raises where an archive or Kafka is away."""
    from millrace.archive import shelf_of

    shelf = shelf_of(settings)
    from streams.archive import newest_complete_day

    with closing(Platform(settings)) as platform:
        day = newest_complete_day(shelf.table(topic), platform.topics)
    return None if day is None else day.isoformat()
