"""Runs a product's workers under a supervisor."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from learners import Supervisor
from learners.declaration import declarations
from millrace.deployments.crews import Crews
from millrace.deployments.taking import must_take_deployments, store_of
from millrace.logs import say_on_stderr
from millrace.platform import Platform, all_event_types, all_learners
from millrace.product import Product
from millrace.settings import Settings
from millrace.told_to_stop import told_to_stop


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
    product = Product.load(folder)
    declarations(all_learners(product), all_event_types(product))
    stop = told_to_stop()
    command = [sys.executable, "-m", "millrace", "worker", str(folder), f"{name}-{{number}}"]
    if trace is not None:
        command += ["--trace", str(trace)]
    if metrics is not None:
        command += ["--metrics-host", metrics[0], "--metrics-port", str(metrics[1])]
    Supervisor(command, processes).run(stop)
