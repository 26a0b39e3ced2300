"""The filling of a rebuild on a Ray cluster: a task for each partition, which claims, folds and commits as a process
here would. Ray places the tasks, and starts those again whose machine is lost."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

from learners import LearnerError
from millrace.platform import Platform
from millrace.product import Product
from millrace.rebuild.rebuild import Rebuild
from millrace.settings import Settings

CONNECT = 5.0
"""Seconds within which the cluster's head has to take a connection."""
TRIES = 10
"""So often a task is started again whose process or machine is lost; it goes on from the committed position."""


class RayMissing(LearnerError):
    """The extra `distributed` is not installed."""


class ClusterLost(LearnerError):
    """A cluster is not there, or does not keep what runs on it."""


def fill_on_ray(
    address: str,
    folder: Path,
    learner: str,
    partitions: Collection[int],
    stop: Event,
    filled: Callable[[int, str], None] = lambda _, __: None,
) -> bool:
    """Fill these partitions on a cluster; False if told to stop before. Blocks.

    Each machine needs Millrace, the product's folder under the same path, and settings of its own, as for workers.

    Args:
        address: `host:6379`, or `auto` for the cluster that this machine is part of.
        filled: is told each partition that is, and the node that has filled it.

    Raises:
        RayMissing: the extra is not installed.
        ClusterLost: it is not reached, or has lost a task too often; what is filled stays.
        RebuildStopped: see `Rebuild.fill`; the message says which partition.
    """
    ray = _ray()
    try:
        _must_listen(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterLost(
            f"The Ray cluster at {address} is not reached, so nothing was filled: {error}. `ray start --head` starts "
            "one; without --ray this process fills it."
        ) from error
    try:
        task = ray.remote(num_cpus=1, max_retries=TRIES, scheduling_strategy="SPREAD")(fill_partition)
        waiting = [task.remote(str(folder.absolute()), learner, partition) for partition in sorted(partitions)]
        while waiting and not stop.is_set():
            done, waiting = ray.wait(waiting, timeout=0.5)
            for partition, node in _results(ray, done):
                filled(partition, node)
        return not waiting
    finally:
        ray.shutdown()  # tasks that are left end with it


def fill_partition(folder: str, learner: str, partition: int) -> tuple[int, str]:
    """Fill one partition, by the settings of the machine that this runs on; returns it and the node's name. Blocks."""
    with closing(Platform(Settings.load())) as platform:
        rebuild = Rebuild(platform, Product.load(Path(folder)), learner)
        rebuild.declare()
        rebuild.fill([partition], Event())
    return partition, str(_ray().get_runtime_context().get_node_id())


def _must_listen(address: str) -> None:
    """Raises OSError where nobody does: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT).close()


def _results(ray: Any, done: Collection[Any]) -> list[tuple[int, str]]:
    try:
        return list(ray.get(list(done)))
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise cause if isinstance(cause, Exception) else LearnerError(str(error)) from error
    except ray.exceptions.RayError as error:
        raise ClusterLost(
            f"A process or machine of the Ray cluster that filled a partition was lost {TRIES + 1} times: {error}. "
            "What is filled stays; the same command goes on there, also without --ray."
        ) from error


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RayMissing(
            "A rebuild on a cluster needs the extra `distributed`; pip install 'millrace[archive,distributed]'."
        ) from error
    return ray
