"""One process that folds a whole archive: as a rebuild into the storages of the settings, or as a backtest into memory.

`python -m benchmarks.prove_batch.refill rebuild|backtest FOLDER LEARNER` prints seconds, seconds of CPU, and the most
memory that it had.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from threading import Event

from learners.declaration import declarations
from learners.homes import Homes
from learners.lane import Lane
from millrace.archive import shelf_of
from millrace.platform import Platform
from millrace.product import Product
from millrace.rebuild.rebuild import Rebuild
from millrace.settings import Settings
from storage import Memory
from streams.archive import ArchivedLog

PARTITIONS = range(4)


def rebuilt(folder: Path, learner: str) -> None:
    """Fill the learner's new version, as `millrace rebuild` does before it goes on in Kafka."""
    with closing(Platform(Settings.load())) as platform:
        rebuild = Rebuild(platform, Product.load(folder), learner)
        rebuild.declare()
        rebuild.fill(PARTITIONS, Event())


def backtested(folder: Path, learner: str) -> None:
    """Fold the same into memory."""
    product = Product.load(folder)
    [declaration] = [item for item in declarations(product.learners, product.event_types) if item.name == learner]
    memory = Memory()
    generation = Homes.single(declaration, memory).declare()
    lanes = {partition: Lane(declaration, generation, partition, memory) for partition in PARTITIONS}
    log = ArchivedLog(shelf_of(Settings.load()).table(declaration.topic), declaration.event_type)
    for batch, _ in log.batches():
        lanes[batch.partition].fold_batch(batch)


COURSES: Mapping[str, Callable[[Path, str], None]] = {"rebuild": rebuilt, "backtest": backtested}


def main(course: str, folder: str, learner: str) -> None:
    """Fold, and say what it took."""
    begun = time.monotonic()
    COURSES[course](Path(folder), learner)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "seconds": time.monotonic() - begun,
        "cpu": used.ru_utime + used.ru_stime,
        "rss_gib": used.ru_maxrss / (1 << 20),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
