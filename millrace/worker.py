"""Puts one worker together: a data product's learners over a platform."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from learners import Emitter, LearnerRefused, Worker
from learners.worker_metrics import WorkerMetrics
from millrace.collector import Collector
from millrace.deployments.loading import OnDisk, loaded
from millrace.interpreter import settle_for_events
from millrace.metrics_page import metrics_page
from millrace.platform import Platform, all_event_types, all_learners, placement, prefix_of
from millrace.product import Product
from millrace.reading import tell_readers
from millrace.settings import Settings
from millrace.told_to_stop import told_to_stop
from millrace.wanted_topics import topic_settings
from streams import Kafka, MemberFenced
from streams.assignments import members
from streams.membership import SESSION

WITHIN = 8
"""Seconds in which a worker that is told to stop ends, less than its supervisor waits for it."""


def run_worker(
    folder: Path | OnDisk,
    settings: Settings,
    member: str,
    trace: Path | None = None,
    counting: bool = True,
    metrics: tuple[str, int] | None = None,
) -> None:
    """Fold the events of the product in `folder` until SIGTERM or SIGINT. Blocks.

    Args:
        folder: the product, or the place of one that was deployed.
        member: this worker's fixed name in its consumer group; a restart under the same name has its partitions back
            at once.
        counting: whether it counts decisions too, where the product declares goals.
        trace: a file that gets one JSON line for each delivery and commit, for fault tests.
        metrics: the host, and the port of worker 0, at which the metrics are served; the others follow. None = nowhere.

    Raises:
        LearnerRefused: another worker that lives has this one's name.
    """
    product = loaded(folder) if isinstance(folder, OnDisk) else Product.load(folder)
    platform = Platform(settings)
    collector, group = Collector(platform), f"millrace-{product.name}"
    stop, counts, pages = told_to_stop(WITHIN), WorkerMetrics(), ExitStack()
    try:
        if metrics is not None:
            pages.enter_context(metrics_page(metrics[0], metrics[1] + _number(member), lambda: counts.text))
        tell_readers(product, platform, counting)
        platform.prepare(product)
        collector.start()
        settle_for_events()
        Worker(
            kafka=platform.kafka,
            codec=platform.codec,
            technologies=platform.technologies,
            placement=placement(product, settings),
            learners=all_learners(product, counting),
            event_types=all_event_types(product),
            dead_letters=platform.dead_letters(group, _number(member)),
            group=group,
            member=member,
            interval=settings.commit_interval_ms / 1000,
            memory=settings.worker_memory_mb,
            protocol=settings.consumer_protocol,
            trace=trace,
            stops=platform.stops,
            emitter=Emitter(platform.kafka, platform.registry, settings.partitions, topic_settings(product)),
            prefix=prefix_of(product),
            metrics=None if metrics is None else counts,
        ).run(stop)
    except MemberFenced as error:
        refuse_if_taken(platform.kafka, group, member, stop, error)
        raise
    finally:
        pages.close()
        collector.close()
        platform.close()


def refuse_if_taken(kafka: Kafka, group: str, member: str, stop: Event, fenced: MemberFenced) -> None:
    """After a worker was fenced: raise `LearnerRefused` where another one that lives has its name in the group.

    It waits for a session first, after which a dead one is forgotten: an answer of Kafka's that was lost may fence a
    worker too, and then nobody has its name."""
    stop.wait(float(kafka.options.get("session.timeout.ms", SESSION * 1000)) / 1000 + 2)
    if not stop.is_set() and member in members(kafka, group):
        raise LearnerRefused(
            f"Another process is {member} of the group {group} now, and folds its partitions. Stop one of the two, or "
            "name them apart: millrace learn --name, see millrace learn --help."
        ) from fenced


def _number(member: str) -> int:
    """The number at the end of a worker's name, which tells it from the others."""
    found = re.search(r"[0-9]{1,9}$", member)
    return int(found.group()) if found else 0
