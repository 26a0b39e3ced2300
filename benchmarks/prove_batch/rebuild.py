"""A rebuild of an archive beside a backtest of the same events: memory, time, and whether its rows are right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from redis import Redis

from benchmarks.prove_batch import archived_plays
from benchmarks.prove_batch.extent import Extent
from benchmarks.prove_streams import stage
from benchmarks.report import say
from millrace.archive import shelf_of
from millrace.settings import Settings
from millrace.stack.plan import variables


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The keys of the rebuild: the most memory that it had, and whether its rows are the fold from offset zero."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(archive_url=str(folder / "archive"), state_dir=folder)
    archived_plays.fill(shelf_of(settings), extent.rebuilt)
    product = stage.product(folder, "item")
    times, work, most, right = list[float](), list[float](), 0.0, True
    for number in range(min(3, extent.rounds)):
        with stage.own_redis(folder / f"redis-{number}", settings) as own:
            filled = _run("rebuild", product, own)
            filled["redis_cpu"] = _cpu(own)
            counts = stage.rows(product, own, "counts")
            right = right and dict(counts.select("key", "value").iter_rows()) == _expected(extent)
        tested = _run("backtest", product, settings)
        say(f"rebuild {filled}, backtest {tested}")
        times.append(filled["seconds"] / tested["seconds"])
        work.append((filled["cpu"] + filled["redis_cpu"]) / tested["cpu"])
        most = max(most, filled["rss_gib"])
    say(
        f"a rebuild takes {median(times):.2f} times as long as a backtest of the same events (at most 1.3 is promised, "
        f"on a machine that does nothing else), and with Redis {median(work):.2f} times its CPU"
    )
    return {"rebuild_rss_gib": round(most, 3), "rebuild_equal": float(right)}


def _expected(extent: Extent) -> Mapping[str, int]:
    return archived_plays.counted(extent.rebuilt, "item")


def _cpu(settings: Settings) -> float:
    """Seconds that its Redis has worked since it started."""
    with Redis.from_url(settings.redis_url) as redis:
        used = redis.info("cpu")
    return round(float(used["used_cpu_user"] + used["used_cpu_sys"]), 3)


def _run(course: str, product: Path, settings: Settings) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.prove_batch.refill", course, str(product), "plays_of_item"]
    done = subprocess.run(
        command, env={**os.environ, **variables(settings)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2_000:]}")
    return {name: round(value, 3) for name, value in json.loads(done.stdout.splitlines()[-1]).items()}
