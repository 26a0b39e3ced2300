"""A rebuild on a Ray cluster of several nodes, all on this machine; runs in the environment that has Ray.

`python -m benchmarks.prove_batch.on_ray FOLDER LEARNER NODES` prints which node filled which partition.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from threading import Event

from millrace.platform import Platform
from millrace.product import Product
from millrace.rebuild.on_ray import fill_on_ray
from millrace.rebuild.rebuild import Rebuild
from millrace.settings import Settings

PARTITIONS = range(4)


def main(folder: str, learner: str, nodes: str) -> None:
    """Start the cluster, fill, and end it."""
    from ray.cluster_utils import Cluster

    with closing(Platform(Settings.load())) as platform:
        Rebuild(platform, Product.load(Path(folder)), learner).declare()
    found: dict[int, str] = {}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(int(nodes) - 1):
            cluster.add_node(num_cpus=1)
        fill_on_ray(cluster.address, Path(folder), learner, PARTITIONS, Event(), found.__setitem__)
    finally:
        cluster.shutdown()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
