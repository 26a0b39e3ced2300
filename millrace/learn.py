"""Runs a product's workers under a supervisor."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from learners import Supervisor
from learners.declaration import Declaration, declarations
from millrace.deployments.crews import Crews
from millrace.deployments.taking import must_take_deployments, store_of
from millrace.logs import say_on_stderr
from millrace.platform import Platform, all_event_types, all_learners, placement
from millrace.product import Product
from millrace.settings import Settings
from millrace.told_to_stop import told_to_stop

LOGGER = logging.getLogger("millrace.learn")


def beginning(
    product: Product,
    settings: Settings,
    declared: Iterable[Declaration],
    processes: int,
    metrics: tuple[str, int] | None,
) -> str:
    """What is learned from what, and where it can be seen, for people."""
    where, folds = placement(product, settings), dict[str, list[str]]()
    for one in declared:
        told = [f"{where.of(form)}/{form.storage}" for form in one.storages.values()]
        folds.setdefault(one.topic, []).extend([*told, *(f"the topic {emit.topic}" for emit in one.emits.values())])
    said = "; ".join(f"{topic} into {', '.join(dict.fromkeys(into))}" for topic, into in folds.items())
    seen = "none: --metrics-port serves them"
    if metrics is not None:
        host, first = metrics
        seen = ", ".join(f"http://{host}:{first + number}/metrics" for number in range(processes))
    workers = "1 worker folds" if processes == 1 else f"{processes} workers fold"
    return f"{product.name}: {workers} {said}, from Kafka at {settings.kafka}. Metrics: {seen}"


def run_deployed(settings: Settings, processes: int, name: str) -> None:
    """Keep `processes` workers running for each product that is deployed, until SIGTERM or SIGINT. Blocks.

    Raises:
        SettingsError: deployments are off.
    """
    must_take_deployments(settings)
    say_on_stderr()
    stop = told_to_stop()
    with closing(Platform(settings)) as platform:
        Crews(store_of(platform), processes, name).run(stop)


def run_learn(
    folder: Path, processes: int, name: str, trace: Path | None, metrics: tuple[str, int] | None = None
) -> None:
    """Keep `processes` workers running until SIGTERM or SIGINT; each child's name ends in its number. Blocks.

    Args:
        metrics: the host, and the port of the first worker, at which they serve their metrics.

    Raises:
        ProductError, LearnerRefused: the product cannot be learned as it stands.
    """
    say_on_stderr()
    product, settings = Product.load(folder), Settings.load()
    declared = declarations(all_learners(product), all_event_types(product))
    stop = told_to_stop()
    LOGGER.info("%s", beginning(product, settings, declared, processes, metrics))
    command = [sys.executable, "-m", "millrace", "worker", str(folder), f"{name}-{{number}}"]
    if trace is not None:
        command += ["--trace", str(trace)]
    if metrics is not None:
        command += ["--metrics-host", metrics[0], "--metrics-port", str(metrics[1])]
    Supervisor(command, processes).run(stop)
