"""`millrace backtest`: how good a product's implementations are, asked through the code that serves."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from learners import Learner, Replay
from learners.declaration import Declaration
from millrace.backtest_curve import curve
from millrace.backtest_evaluation import Evaluation, Tally
from millrace.backtest_events import Extent, read_events
from millrace.backtest_question import Question
from millrace.product import Product
from schemas import Event
from serving import EndpointType
from storage import Catalogue, MemoryReads


def run_backtest(folder: Path, source: str, extent: Extent, plot: Path | None, as_json: bool) -> None:
    """Predict each positive event before it is learned, and print the hit rate of each implementation. Blocks.

    Nothing outside this process is read or written but the events' source and `plot`.

    Raises:
        ProductError: the product declares no question, or one that does not fit.
        EventsUnreadable: the source does not hold such events.
    """
    product = Product.load(folder)
    question = Question.of(product)
    events = read_events(product, source, question.event, extent)
    asked = [event for event in events if event.event_type.topic == question.event]
    positive = question.positives(product.event_types[question.event], asked)
    tally = asyncio.run(_evaluate(product, question, events, positive))
    if plot is not None:
        plot.write_text(curve(f"{product.name}: hit rate@{question.size}", tally.curve()), "utf-8")
    _report(question, tally, as_json)


async def _evaluate(product: Product, question: Question, events: Sequence[Event], positive: Sequence[bool]) -> Tally:
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
    columns = (TextColumn("Predicting"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(events), state="")
        async for tally in evaluation.run(events, positive):
            if tally.events % 500 == 0 or tally.events == len(events):
                best = "  ".join(f"{name} {rate:.3f}" for name, rate in tally.rates().items())
                bar.update(task, completed=tally.events, state=best)
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


def _report(question: Question, tally: Tally, as_json: bool) -> None:
    rates = tally.rates()
    if as_json:
        found = {"predictions": tally.predictions, f"hit_rate_at_{question.size}": rates, "baseline": question.baseline}
        sys.stdout.write(json.dumps(found) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("implementation", f"hit rate@{question.size}", f"times {question.baseline}"):
        table.add_column(name, justify="left" if name == "implementation" else "right")
    base = rates.get(question.baseline, 0.0)
    for name, rate in sorted(rates.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{rate:.3f}", f"{rate / base:.2f}" if base else "—")
    console = Console()
    console.print(table)
    console.print(f"{tally.predictions:,} predictions, each made before its event was learned.")
