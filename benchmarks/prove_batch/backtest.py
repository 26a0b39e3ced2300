"""A backtest over the archive beside the live worker on the same events: how fast, and whether it gives the same rows.

The two take turns. The live worker is `millrace learn` into a Redis of its own, from the beginning of the log; the
backtest is a process that folds the archive into memory, from the first look at the table to the last commit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.process import PYTHON, millrace_process
from benchmarks.prove_batch.extent import Extent
from benchmarks.prove_chain.attack import rows_of
from benchmarks.prove_storage.member import until
from benchmarks.prove_streams import plays
from benchmarks.prove_streams.plays import TOPIC
from benchmarks.prove_streams.product.events import Play
from benchmarks.prove_streams.progress import marks, measured
from benchmarks.prove_streams.stage import broker, learning, own_redis, product
from benchmarks.report import say
from millrace.archive import shelf_of
from millrace.backtest.candidate import Trial
from millrace.backtest.events import ARCHIVE, EVERYTHING
from millrace.backtest.learner import fold_learner
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from millrace.stack.plan import variables
from schemas import EventType
from schemas.event_type import ARCHIVE as ASKS
from storage.technologies import opened

FOLDS = ("item", "user")
"""Many events share a row, and nearly none do."""
WARM, PATIENCE = 1.0, 300.0


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The keys of the backtest: the smaller of both folds' ratios to the live rate, each the median of the rounds; and
    whether the rows are equal."""
    ratios: dict[str, list[float]] = {fold: [] for fold in FOLDS}
    equal = True
    with broker(folder / "stack") as stack:
        settings = replace(stack, archive_url=str(folder / "archive"), archive_seconds=2)
        plays.fill(settings, extent.backtested)
        _archive(folder / "archiving", settings, extent.backtested)
        for number in range(extent.backtests):
            for fold in FOLDS:
                own = folder / f"{fold}-{number}"
                live, rows = _live(own, settings, fold, extent, wanted=number == 0)
                found = _backtest(own, settings, fold)
                rate = found["events"] / found["seconds"]
                say(f"{fold}: live {live:,.0f} events/s, backtest {rate:,.0f} events/s")
                ratios[fold].append(rate / live)
                if rows is not None:
                    same = rows == found["rows"]
                    say(f"{fold}: {sum(map(len, rows.values())):,} rows {'are equal' if same else 'DIFFER'}")
                    equal = equal and same and found["events"] == extent.backtested
    return {
        "backtest_vs_live": round(min(median(found) for found in ratios.values()), 2),
        "backtest_equal": float(equal),
    }


def _archive(folder: Path, settings: Settings, events: int) -> None:
    with closing(Platform(settings)) as platform:
        platform.registry.register(EventType(TOPIC, {**Play.event_type.schema, ASKS: True}, Play.event_type.key))
    table = shelf_of(settings).table(TOPIC)
    with millrace_process(folder, settings, "archive", "run"):
        until(lambda: table.look() and table.size()["rows"] >= events, PATIENCE, "the events are archived")


def _live(
    folder: Path, settings: Settings, fold: str, extent: Extent, wanted: bool
) -> tuple[float, Mapping[str, Any] | None]:
    """Events per second of the worker, and where they are wanted its rows once it has folded all."""
    with own_redis(folder, settings) as own, learning(folder, own, fold) as counting:
        rate = measured(fold, counting, WARM, extent.seconds, extent.backtested)
        if not wanted:
            return rate, None
        until(lambda: marks(counting.file)[-1].events >= extent.backtested, PATIENCE, "the worker is at the end")
        with closing(opened("redis", own.redis_url)) as technology:
            return rate, rows_of(technology)


def _backtest(folder: Path, settings: Settings, fold: str) -> dict[str, Any]:
    """Events, seconds and rows."""
    copy, out = product(folder / "backtest", fold), folder / "found.json"
    command = [*PYTHON, "benchmarks.prove_batch.backtest", str(copy), str(out)]
    subprocess.run(command, env={**os.environ, **variables(settings)}, check=True, timeout=PATIENCE)
    found: dict[str, Any] = json.loads(out.read_bytes())
    return found


def main() -> None:
    """Fold what the archive holds: `backtest PRODUCT OUT`."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    loaded = Product.load(folder)
    trial = Trial(folder, ARCHIVE, EVERYTHING, loaded.learners[0].name)
    replay, found = fold_learner(loaded, trial, Settings.load(), lambda done, total: None)
    out.write_text(
        json.dumps({"events": found.events, "seconds": found.seconds, "rows": rows_of(replay.memory)}), "utf-8"
    )


if __name__ == "__main__":
    main()
