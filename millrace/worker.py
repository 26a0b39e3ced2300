"""Puts one worker together: a data product's learners over a platform."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from learners import Worker
from millrace.collector import Collector
from millrace.platform import Platform, all_event_types, all_learners, placement
from millrace.product import Product
from millrace.settings import Settings


def run_worker(folder: Path, settings: Settings, member: str, trace: Path | None = None) -> None:
    """Fold the events of the product in `folder` until SIGTERM or SIGINT. Blocks.

    Args:
        member: this worker's fixed name in its consumer group; a restart under the same name has its partitions back
            at once.
        trace: a file that gets one JSON line for each delivery and commit, for fault tests.
    """
    product = Product.load(folder)
    platform = Platform(settings)
    collector = Collector(platform)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        platform.prepare(product)
        collector.start()
        Worker(
            kafka=platform.kafka,
            codec=platform.codec,
            technologies=platform.technologies,
            placement=placement(product, settings),
            learners=all_learners(product),
            event_types=all_event_types(product),
            dead_letters=platform.dead_letters,
            group=f"millrace-{product.name}",
            member=member,
            interval=settings.commit_interval_ms / 1000,
            trace=trace,
        ).run(stop)
    finally:
        collector.close()
        platform.close()
