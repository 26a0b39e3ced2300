"""A rebuild on a Ray cluster of several nodes, all on this machine; runs in the environment that has Ray.

`python -m benchmarks.prove_batch.on_ray FOLDER LEARNER NODES KILLS` prints which node filled which partition, and how
many executors were killed while they did.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

from millrace.platform import Platform
from millrace.product import Product
from millrace.rebuild.on_ray import fill_on_ray
from millrace.rebuild.rebuild import Rebuild
from millrace.settings import Settings

PARTITIONS = range(4)
TASK = "ray::fill_partition"
"""What a process is called while it runs such a task."""


def main(folder: str, learner: str, nodes: str, kills: str) -> None:
    """Start the cluster, fill, and end it."""
    from ray.cluster_utils import Cluster

    found: dict[int, str] = {}
    killed: list[int] = []
    over = Event()
    with closing(Platform(Settings.load())) as platform:
        rebuild = Rebuild(platform, Product.load(Path(folder)), learner)
        rebuild.declare()
        killing = Thread(target=_kill, args=(int(kills), rebuild.positions, killed, over))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            for _ in range(int(nodes) - 1):
                cluster.add_node(num_cpus=1)
            killing.start()
            fill_on_ray(cluster.address, Path(folder), learner, PARTITIONS, Event(), found.__setitem__)
        finally:
            over.set()
            if killing.ident is not None:  # it was started
                killing.join()
            cluster.shutdown()
    sys.stdout.write(json.dumps({"nodes": found, "killed": len(killed)}) + "\n")


def _kill(count: int, positions: Callable[[], dict[int, int]], killed: list[int], over: Event) -> None:
    """Kill so many executors of ours, each as soon as one more commit is there since the last was killed."""
    seen = 0
    while len(killed) < count and not over.is_set():
        now = sum(positions().values())
        running = [pid for pid in _executors() if pid not in killed]
        if now > seen and running:
            os.kill(running[0], signal.SIGKILL)
            killed.append(running[0])
            seen = now
        time.sleep(0.02)


def _executors() -> Iterator[int]:
    """Processes below this one that run a task."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    below, grown = {os.getpid()}, True
    while grown:
        children = {int(pid) for pid, parent, *_ in rows if int(parent) in below} - below
        below, grown = below | children, bool(children)
    yield from (int(pid) for pid, _, *args in rows if int(pid) in below and args and args[0].startswith(TASK))


if __name__ == "__main__":
    main(*sys.argv[1:])
