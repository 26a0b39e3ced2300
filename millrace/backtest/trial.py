"""One trial: a learner judged by its own predictions, or implementations asked the product's question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from learners import Learner, Replay
from learners.declaration import Declaration
from millrace.backtest.candidate import Candidate, Trial
from millrace.backtest.evaluation import Evaluation, Tally
from millrace.backtest.events import read_events
from millrace.backtest.learner import Seen, fold_learner
from millrace.backtest.question import Question
from millrace.product import Product
from millrace.settings import Settings
from schemas import Event
from serving import EndpointType
from storage import Catalogue, MemoryReads

EVERY = 500
"""Events between two times at which it is said how far it is."""


def run_trial(trial: Trial, seen: Seen) -> list[Candidate]:
    """Pass over the events once; what comes of it for each candidate. Blocks.

    Raises:
        ProductError: the product has no such learner, or no question, or one that does not fit.
        EventsUnreadable: the source does not hold such events.
    """
    product = Product.load(trial.folder, trial.constants)
    if trial.learner is not None:
        return [fold_learner(product, trial, Settings.load(), seen)[1]]
    question = Question.of(product)
    events = read_events(product, trial.source, question.event, trial.extent)
    asked = [event for event in events if event.event_type.topic == question.event]
    positive = question.positives(product.event_types[question.event], asked)
    began = time.monotonic()
    tally = asyncio.run(_evaluate(product, question, events, positive, seen))
    measure, curves = question.measure, tally.curve()
    return [
        Candidate(
            name=name,
            constants=trial.constants,
            measure=measure,
            more=True,
            figures={measure: rate},
            curve=curves[name],
            predictions=tally.predictions,
            events=tally.events,
            seconds=time.monotonic() - began,
        )
        for name, rate in tally.rates().items()
    ]


async def _evaluate(
    product: Product, question: Question, events: Sequence[Event], positive: Sequence[bool], seen: Seen
) -> Tally:
    endpoint = question.endpoint_type(product)
    replay = Replay(_needed(product, endpoint), product.event_types)
    catalogue = Catalogue({"memory": MemoryReads(replay.memory)})
    await catalogue.refresh()
    asks: dict[str, Callable[[Any], Awaitable[Any]]] = {
        name: implementation.bind(catalogue) for name, implementation in endpoint.implementations.items()
    }

    def learn(event: Event) -> None:
        if event.event_type.topic in replay.topics:
            replay.fold(event.event_type.topic, [event])

    evaluation = Evaluation(question, lambda unit: endpoint.request(**{question.unit: unit}), asks, learn)
    async for tally in evaluation.run(events, positive):
        if tally.events % EVERY == 0 or tally.events == len(events):
            seen(tally.events, len(events))
    return evaluation.tally


def _needed(product: Product, endpoint: EndpointType[Any, Any]) -> list[type[Learner]]:
    """The learners that write what some implementation reads; the others cannot change an answer."""
    read = {name for implementation in endpoint.implementations.values() for name in implementation.reads}
    declared = [Declaration.of(learner, product.event_types) for learner in product.learners]
    needed = {item.name for item in declared if any(form.name in read for form in item.storages.values())}
    while True:  # and those that emit what a needed one folds
        topics = {item.asked for item in declared if item.name in needed}
        emitting = {item.name for item in declared for emit in item.emits.values() if emit.topic in topics}
        if emitting <= needed:
            return [learner for learner in product.learners if learner.name in needed]
        needed |= emitting
