"""`millrace skew`: reads decisions and archive, compares, reports, and says when it is too much."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from millrace.backtest.picture import must_be_drawable
from millrace.commands.output import Output, say, write_json, write_rows
from millrace.jobs.messages import say_figures, say_why
from millrace.platform import Platform
from millrace.product import Product, ProductError
from millrace.scanning import scan
from millrace.settings import Settings
from millrace.skew.comparison import Compared, Pair, compare
from millrace.skew.decisions import NoFeatures, Served, served
from millrace.skew.picture import draw
from millrace.skew.recomputed import batch_of, computed, replayed
from serving import EndpointType

LOGGER = logging.getLogger("millrace.skew")
TOLERANCE = 0.01


@dataclass(frozen=True)
class Wanted:
    """What is compared.

    Attributes:
        since: decisions from then on count.
        tolerance: the part of the decisions in which a feature may be another one; None = as the product says.
        settle: so long before its decision an event may not have been known yet.
        limit: so many of the newest decisions count at most.
        plot: a file for a picture of the features.
    """

    endpoint: str
    since: datetime
    tolerance: float | None
    settle: timedelta
    limit: int
    plot: Path | None = None


def run_skew(folder: Path, settings: Settings, wanted: Wanted, output: Output) -> bool:
    """Print how the features that were served differ from what the archive says; return whether they may pass. Blocks.

    Raises:
        ProductError: the product does not have what is wanted.
        NoFeatures: no decision has features, or none by the code that there is now.
        MillraceError: log, archive or registry cannot be read.
    """
    if wanted.plot is not None:
        must_be_drawable(wanted.plot)
    product = Product.load(folder)
    endpoint = product.endpoint(wanted.endpoint)
    batch, declared = _declared(product, wanted.endpoint)
    tolerance = declared if wanted.tolerance is None else wanted.tolerance
    with closing(Platform(settings)) as platform:
        decisions = served(platform, wanted.endpoint, wanted.since, wanted.limit)
    if batch is None:
        mine = _by_this_code(endpoint, decisions)
        pairs = _replayed(product, endpoint, mine, settings, wanted.settle)
    else:
        pairs = computed(batch_of(product, batch), decisions, wanted.settle)
    found = compare(pairs, tolerance)
    _report(found, pairs, len(decisions) - len(pairs), wanted.endpoint, output)
    if wanted.plot is not None:
        draw(wanted.plot, f"{wanted.endpoint}, {len(pairs):,} decisions", found, pairs)
    return _passed(wanted.endpoint, found, tolerance)


def _passed(endpoint: str, found: Sequence[Compared], tolerance: float) -> bool:
    """Say what is skewed, to whoever runs it, and to the job that it may run as."""
    say_figures({f"equal {item.feature}": item.equal for item in found})
    skewed = [item for item in found if item.skewed]
    for item in skewed:
        said = (
            f"{endpoint}.{item.feature} is skewed: {100 * (1 - item.equal):.1f} % of {item.decisions} decisions are "
            f"not what the archive says; {100 * tolerance:.1f} % may be."
        )
        LOGGER.warning("%s", said)
        say_why(said)
    return not skewed


def _declared(product: Product, endpoint: str) -> tuple[str | None, float]:
    """The training's function, if there is one, and the tolerance."""
    table = product.options.get("skew", {})
    mine = table.get(endpoint, {}) if isinstance(table, dict) else None
    place = f"[skew.{endpoint}] in {product.folder / 'product.toml'}"
    if not isinstance(mine, dict) or not mine.keys() <= {"features", "tolerance"}:
        raise ProductError(f"{place} takes features and tolerance, and nothing else.")
    batch, tolerance = mine.get("features"), mine.get("tolerance", TOLERANCE)
    if not isinstance(batch, str | None) or not isinstance(tolerance, int | float) or not 0 <= tolerance <= 1:
        raise ProductError(f'{place} has lines like features = "training:features" and tolerance = 0.01.')
    return batch, float(tolerance)


def _by_this_code(endpoint: EndpointType[Any, Any], decisions: Sequence[Served]) -> list[Served]:
    """Those of the code that there is now: what another one would have logged cannot be known."""
    hashes = {name: item.hash for name, item in endpoint.implementations.items()}
    mine = [item for item in decisions if hashes.get(item.implementation) == item.hash]
    if not mine:
        raise NoFeatures(
            f"None of the {len(decisions):,} decisions with features was made by the code that {endpoint.title} has "
            "now. Check out what answered then, or wait for decisions of this code."
        )
    return mine


def _replayed(
    product: Product,
    endpoint: EndpointType[Any, Any],
    decisions: Sequence[Served],
    settings: Settings,
    settle: timedelta,
) -> list[Pair]:
    until = decisions[-1].at + timedelta(milliseconds=1)

    def log(topic: str) -> pl.DataFrame:
        return scan(topic, until=until, settings=settings).sort("_timestamp", "_partition", "_offset").collect()

    return asyncio.run(replayed(product, endpoint, decisions, log, settle, settings.partitions))


def _report(found: Sequence[Compared], pairs: Sequence[Pair], other: int, endpoint: str, output: Output) -> None:
    if output is Output.JSON:
        features = [asdict(item) | {"worst": [one._asdict() for one in item.worst]} for item in found]
        write_json({"endpoint": endpoint, "decisions": len(pairs), "other_code": other, "features": features})
        return
    rows = [{name: value for name, value in asdict(item).items() if name != "worst"} for item in found]
    write_rows(rows, output, "The decisions log no feature.")
    say(f"{len(pairs):,} decisions of {endpoint}.")
    if other:
        say(f"{other:,} more were made by other code than there is now, and are not compared.")
    for item in found:
        for one in item.worst if item.skewed else ():
            say(f"  {item.feature}: served {one.served!r}, archive {one.archive!r}, decision {one.decision}, {one.at}")
