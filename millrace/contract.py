"""`millrace check`: a product's learners held to the contract, on its own data set's events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from learners.checks import check
from learners.declaration import Declaration
from millrace.platform import all_event_types, all_learners
from millrace.product import Product
from schemas import Event

EVENTS = 3_000
"""Events of each topic that the learners are tried on."""


def check_product(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """For each learner its name and the promises that it breaks, in words. Blocks for a few folds per learner.

    Raises:
        ProductError: the product does not load, or has no `dataset` to try its learners on.
        LearnerRefused: a declaration cannot run.
    """
    product = Product.load(folder)
    types = all_event_types(product)
    learners = [Declaration.of(learner, types) for learner in all_learners(product)]
    frames = {topic: types[topic].frame(events) for topic, events in _events(product).items()}
    for declaration in learners:
        frame = frames.get(declaration.asked)
        if frame is None:
            frame = pl.DataFrame(schema=types[declaration.asked].frame_schema)
        found = check(declaration.learner, frame, types)
        yield declaration.name, [f"{item.promise}: {item.problem}" for item in found if item.problem is not None]


def _events(product: Product) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in islice(product.events(), EVENTS * 2):
        mine = found.setdefault(event.event_type.topic, [])
        if len(mine) < EVENTS:
            mine.append(event)
    return found
