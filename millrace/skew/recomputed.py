"""The same features once more: by the product's learners over the archive, or by the code that training uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from learners import Replay
from learners.declaration import emits_of
from millrace.product import Product, ProductError
from millrace.skew.comparison import Pair
from millrace.skew.decisions import Served
from serving import EndpointType
from serving.features import as_json, taken
from storage import Catalogue, MemoryReads

Log = Callable[[str], pl.DataFrame]
"""All events of a topic, in the order of the log's time `_timestamp`."""
Batch = Callable[[pl.DataFrame], pl.DataFrame]
_AT_ONCE = 10_000


async def replayed(
    product: Product,
    endpoint: EndpointType[Any, Any],
    decisions: Sequence[Served],
    log: Log,
    settle: timedelta,
    partitions: int,
) -> list[Pair]:
    """Fold the log as the workers do, and ask each decision's implementation at its moment what it was asked then.

    Args:
        settle: so long before its decision an event may not have been known yet; both is right.
    """
    replay = Replay(product.learners, product.event_types, partitions)
    emitted = {emit.topic for learner in product.learners for emit in emits_of(learner).values()}
    feeds = [
        _Feed(replay, topic, log(topic), product.event_types[topic].frame_schema)
        for topic in replay.topics
        if topic not in emitted
    ]
    catalogue = Catalogue({"memory": MemoryReads(replay.memory)})
    await catalogue.refresh()
    asks = {
        name: endpoint.implementations[name].bind(catalogue) for name in {item.implementation for item in decisions}
    }
    found: list[list[Mapping[str, Any]]] = [[] for _ in decisions]
    for at, place in sorted(
        (item.at - shift, place) for shift in (settle, timedelta()) for place, item in enumerate(decisions)
    ):
        for feed in feeds:
            feed.fold_until(at)
        item = decisions[place]
        taken()
        await asks[item.implementation](endpoint.requests.decode(item.request.encode()))
        found[place].append(json.loads(as_json(taken() or {}, endpoint.title) or "{}"))
    return [Pair(item.id, item.at, item.features, *both) for item, both in zip(decisions, found, strict=True)]


class _Feed:
    """One topic's events on their way into a replay."""

    def __init__(self, replay: Replay, topic: str, frame: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> None:
        self._replay, self._topic, self._next = replay, topic, 0
        self._times = frame["_timestamp"]
        known = frame.columns
        self._frame = frame.select(
            (pl.col(name) if name in known else pl.lit(None).alias(name)).cast(kind) for name, kind in columns.items()
        )

    def fold_until(self, at: datetime) -> None:
        """Fold what the log took up to a moment and has not been folded."""
        end = int(self._times.search_sorted(at, "right"))
        for first in range(self._next, end, _AT_ONCE):
            self._replay.fold_frame(self._topic, self._frame[first : min(first + _AT_ONCE, end)])
        self._next = max(self._next, end)


def batch_of(product: Product, place: str) -> Batch:
    """The function that `[skew.<endpoint>]` names: `training:features`.

    Raises:
        ProductError: there is none.
    """
    module, _, name = place.partition(":")
    found: Batch | None = getattr(product.module(module), name, None) if name else None
    if found is None or not callable(found):
        raise ProductError(f"[skew] names {place!r}, no function of {product.name}; write it as training:features.")
    return found


def computed(batch: Batch, decisions: Sequence[Served], settle: timedelta) -> list[Pair]:
    """Ask the training's code for the features of all decisions, at their moments and `settle` before.

    Raises:
        ProductError: it gives no row for a decision, or several.
    """
    requests = pl.DataFrame([json.loads(item.request) for item in decisions], infer_schema_length=None)
    found = []
    for shift in (settle, timedelta()):
        own = {"id": [item.id for item in decisions], "at": [item.at - shift for item in decisions]}
        asked = pl.DataFrame(own, schema_overrides={"at": pl.Datetime("us", "UTC")})
        answer = batch(asked.hstack(requests.select(name for name in requests.columns if name not in own)))
        rows = {row.pop("id"): row for row in answer.drop("at", strict=False).iter_rows(named=True)}
        if answer.height != len(decisions) or rows.keys() != {item.id for item in decisions}:
            raise ProductError(
                f"The features' function gave {answer.height:,} rows for {len(decisions):,} decisions; it gives one "
                "row for each `id` that it is asked for, with a column for each feature."
            )
        found.append({id: json.loads(as_json(row, "skew") or "{}") for id, row in rows.items()})
    return [Pair(item.id, item.at, item.features, found[0][item.id], found[1][item.id]) for item in decisions]
