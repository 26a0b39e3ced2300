"""A rebuild that a Ray cluster of two nodes fills: its rows are those of a fold from offset zero."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from benchmarks.prove_batch import archived_plays
from benchmarks.prove_batch.extent import Extent
from benchmarks.prove_streams import stage
from benchmarks.report import say
from millrace.archive import shelf_of
from millrace.settings import Settings
from millrace.stack.plan import variables

PYTHON = Path(__file__).parents[2] / ".venv-distributed/bin/python"
NODES = 2
PATIENCE = 300.0


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The key of how many executors have filled partitions, where the rows are right.

    Raises:
        RuntimeError: they are not, or Ray is not installed.
    """
    return {"distributed_executors": len(set(filled(folder, extent.distributed).values()))}


def filled(folder: Path, events: int) -> dict[str, str]:
    """Fill a new version on a cluster that lasts as long; says which node filled each partition."""
    if not PYTHON.exists():
        raise RuntimeError(f"{PYTHON} is not installed; run scripts/distributed.")
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(archive_url=str(folder / "archive"), state_dir=folder)
    archived_plays.fill(shelf_of(settings), events)
    product = stage.product(folder, "item")
    command = [str(PYTHON), "-m", "benchmarks.prove_batch.on_ray", str(product), "plays_of_item", str(NODES)]
    with stage.own_redis(folder / "redis", settings) as own:
        environment = {**os.environ, **variables(own), "RAY_USAGE_STATS_ENABLED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2_000:]}")
        nodes: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        counts = stage.rows(product, own, "counts")
    if dict(counts.select("key", "value").iter_rows()) != archived_plays.counted(events, "item"):
        raise RuntimeError("What the cluster has filled is not the fold of the archive.")
    say(f"{events:,} events were folded on {len(set(nodes.values()))} nodes: {nodes}")
    return nodes
