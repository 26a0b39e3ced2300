"""`millrace check`: a product's learners held to the contract, on its own data set's events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from learners import FoldFailed, Replay
from learners.checks import check
from learners.declaration import Declaration
from millrace.platform import all_event_types, all_learners
from millrace.product import Product
from schemas import Event, EventType

EVENTS = 3_000
"""Events of each topic that the learners are tried on."""


class Tried(NamedTuple):
    """A learner, tried.

    Attributes:
        topic: whose events it was tried on, and `events` how many: of none nothing follows.
        problems: the promises that it breaks, in words.
    """

    learner: str
    topic: str
    events: int
    problems: list[str]


def check_product(folder: Path) -> Iterator[Tried]:
    """Each learner, tried. Blocks for a few folds per learner.

    Raises:
        ProductError: the product does not load, or has learners and no `dataset` to try them on.
        LearnerRefused: a declaration cannot run.
    """
    product = Product.load(folder)
    types = all_event_types(product)
    learners = [Declaration.of(learner, types) for learner in all_learners(product)]
    if not learners:
        return
    frames = {topic: types[topic].frame(events) for topic, events in _events(product).items()}
    for _ in learners:  # as long as a chain may be
        frames = _emitted(learners, frames, types) | frames
    for declaration in learners:
        frame = frames.get(declaration.asked)
        if frame is None:
            frame = pl.DataFrame(schema=types[declaration.asked].frame_schema)
        found = check(declaration.learner, frame, types)
        problems = [f"{item.promise}: {item.problem}" for item in found if item.problem is not None]
        yield Tried(declaration.name, declaration.asked, frame.height, problems)


def _emitted(
    learners: Sequence[Declaration], frames: Mapping[str, pl.DataFrame], types: Mapping[str, EventType]
) -> dict[str, pl.DataFrame]:
    """What learners emit for these events to topics that have none, by topic."""
    found: dict[str, pl.DataFrame] = {}
    for declaration in learners:
        if declaration.asked in frames and any(emit.topic not in frames for emit in declaration.emits.values()):
            replay = Replay([declaration.learner], types)
            with suppress(FoldFailed):  # that is said where this learner is tried
                replay.fold(declaration.asked, frames[declaration.asked])
                found |= replay.emitted()
    return found


def _events(product: Product) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in islice(product.events(), EVENTS * 2):
        mine = found.setdefault(event.event_type.topic, [])
        if len(mine) < EVENTS:
            mine.append(event)
    return found
