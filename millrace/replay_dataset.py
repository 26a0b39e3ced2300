"""`millrace replay`, and what the demo does first: a product's data set emitted as live events, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from rich.console import Console

from millrace.lag import LagMeter
from millrace.platform import Platform
from millrace.product import Product
from millrace.progress_bar import ProgressBar
from millrace.replay import Progress, replay
from millrace.settings import Settings

SLOW = 15.0
"""Seconds that learners may stand still before the bar says where to look."""


def run_replay(folder: Path, settings: Settings, rate: float | None, limit: int | None) -> None:
    """Replay the data set of the product in `folder` into the Kafka of the settings. Blocks.

    Raises:
        ProductError: the product cannot be loaded, or has no data set.
    """
    replay_dataset(Product.load(folder), settings, Console(), rate, limit)


def replay_dataset(
    product: Product, settings: Settings, console: Console, rate: float | None, limit: int | None
) -> None:
    """Emit what earlier runs have not emitted of the data set; a bar shows events, rate, lag and freshness. Blocks.

    Live events count as emitted, so a replay that was interrupted ends as many events early as were posted meanwhile.
    """
    found = product.events()
    with closing(Platform(settings)) as platform:
        platform.prepare(product)
        ends = platform.topics.ends(sorted(product.event_types)).values()
        events = list(islice(found, limit))[sum(high - low for low, high in ends) :]
        if not events:
            console.print("The data set is in Kafka already, from an earlier run.")
            return
        with closing(LagMeter(platform, product)) as meter:
            _show(replay(events, platform.producer, meter, rate), len(events), console)
            lag = meter.wait_until_level(60.0)
    console.print(f"Replayed {len(events):,} events; {lag.events:,} are still to be learned.")


def _show(steps: Iterator[Progress], total: int, console: Console) -> None:
    with ProgressBar("Replaying", total, console=console) as bar:
        for step in steps:
            state = f"{step.rate:,.0f} events/s · {step.lag.events:,} behind · {step.lag.seconds * 1000:,.0f} ms old"
            if step.lag.seconds > SLOW:
                state = f"{step.lag.events:,} behind: nothing was learned for {step.lag.seconds:.0f} s; see worker.log"
            bar.move(step.emitted, said=state)
