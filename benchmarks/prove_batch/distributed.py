"""A rebuild that a Ray cluster of two nodes fills, of whose executors some are killed meanwhile: its rows are those of
a fold from offset zero."""

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
NODES, KILLS = 2, 2
PATIENCE = 300.0


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The key of how many executors have filled partitions, where the rows are right.

    Raises:
        RuntimeError: they are not, or Ray is not installed.
    """
    return {"distributed_executors": len(set(filled(folder, extent.distributed).values()))}


def filled(folder: Path, events: int) -> dict[str, str]:
    """Fill a new version on a cluster that lasts as long; says which node filled each partition.

    Raises:
        RuntimeError: Ray is not installed, not so many executors were killed, or the rows are not the fold's.
    """
    if not PYTHON.exists():
        raise RuntimeError(f"{PYTHON} is not installed; run scripts/distributed.")
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(archive_url=str(folder / "archive"), state_dir=folder, commit_interval_ms=1)
    archived_plays.fill(shelf_of(settings), events)
    product = stage.product(folder, "item")
    module, sizes = "benchmarks.prove_batch.on_ray", map(str, (NODES, KILLS))
    command = [str(PYTHON), "-m", module, str(product), "plays_of_item", *sizes]
    with stage.own_redis(folder / "redis", settings) as own:
        environment = {**os.environ, **variables(own), "RAY_USAGE_STATS_ENABLED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2_000:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        nodes: dict[str, str] = found["nodes"]
        counts = stage.rows(product, own, "counts")
    if dict(counts.select("key", "value").iter_rows()) != archived_plays.counted(events, "item"):
        raise RuntimeError("What the cluster has filled is not the fold of the archive.")
    if found["killed"] < KILLS:
        raise RuntimeError(f"Only {found['killed']} of {KILLS} executors were killed before all was filled.")
    say(f"{events:,} events were folded on {len(set(nodes.values()))} nodes, {KILLS} executors killed: {nodes}")
    return nodes
