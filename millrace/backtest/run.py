"""The course of a backtest: trials are run, here or in processes of their own, and what they found is printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from millrace.backtest.candidate import Candidate, Trial
from millrace.backtest.events import ARCHIVE, Extent
from millrace.backtest.picture import draw, line, must_be_drawable
from millrace.backtest.question import Question
from millrace.backtest.trial import run_trial
from millrace.backtest.trials import Kept, results_of, run_trials, sweep_of
from millrace.commands.output import warn
from millrace.platform import learner_of
from millrace.product import Product
from millrace.progress_bar import ProgressBar
from millrace.settings import Settings


def run_backtest(
    folder: Path,
    source: str,
    extent: Extent,
    plot: Path | None,
    as_json: bool,
    learners: Sequence[str] = (),
    sweeps: Sequence[str] = (),
    processes: int | None = None,
    said: Sequence[str] = (),
    again: bool = False,
) -> None:
    """Predict each event before it is learned, and print how good each candidate was. Blocks.

    One trial runs here; several run in processes of their own. What each has found is kept in `state_dir`, where the
    console shows it, and of several the same command takes it up.

    Args:
        learners: whose predictions are judged; none = the product's implementations are asked its question.
        sweeps: constants of the product with values to try, as `RATE=0.1,0.2`.
        processes: at the same time; None = as many as there are cores.
        said: what the results are kept under.
        again: forget what was kept.

    Raises:
        MillraceError: the product, its events or a trial fails; the message says which.
    """
    product = Product.load(folder)
    question = None if learners else Question.of(product)
    for name in learners:
        learner_of(product, name)
    if plot is not None:
        must_be_drawable(plot)
    trials = [
        Trial(folder, source, extent, learner, constants)
        for learner in learners or [None]  # type: ignore[list-item]
        for constants in sweep_of(sweeps, len(learners) or 1)
    ]
    if len(trials) == 1:
        with _bar(1) as seen:
            found = run_trial(trials[0], lambda done, total: seen(0, done / max(total, 1)))
        _keep(trials, said, found)
    else:
        found = _kept(trials, processes, said, again)
    found = sorted(found, key=lambda item: item.rank)
    if plot is not None:
        draw(plot, f"{folder.resolve().name}: {found[0].measure}", found)
    if as_json:
        told = _json(found, question, len(trials))
        sys.stdout.write(msgspec.json.encode(told, enc_hook=str).decode() + "\n")  # beyond all numbers is null
    else:
        _report(found, question.baseline if question is not None else None)


def _keep(trials: Sequence[Trial], said: Sequence[str], found: Sequence[Candidate]) -> None:
    """For the console; a result that cannot be kept is one all the same."""
    try:
        Kept.of(results_of(Settings.load()), trials, said, again=True).keep(0, found)
    except OSError as error:
        warn(f"The console will not show this result, which cannot be kept: {error}")


def _kept(trials: Sequence[Trial], processes: int | None, said: Sequence[str], again: bool) -> list[Candidate]:
    """All of them see the same events, whenever each begins."""
    if trials[0].source == ARCHIVE and trials[0].extent.until is None:
        now = replace(trials[0].extent, until=datetime.now(UTC))
        trials = [replace(trial, extent=now) for trial in trials]
    kept = Kept.of(results_of(Settings.load()), trials, said, again)
    done = sum(kept.found(number) is not None for number in range(len(kept.trials)))
    if done:
        sys.stderr.write(f"{done} of {len(kept.trials)} are done already, in {kept.folder}; --again begins anew.\n")
    with _bar(len(kept.trials), done) as seen:
        return run_trials(kept, processes, seen)


@contextmanager
def _bar(trials: int, done: int = 0) -> Iterator[Any]:
    """How far all of them are together, and how long it takes yet."""
    parts: dict[int, float] = {}
    with ProgressBar("Predicting", float(trials - done), "part") as bar:

        def seen(number: int, part: float) -> None:
            parts[number] = part
            ended = sum(each >= 1.0 for each in parts.values())
            bar.move(sum(parts.values()), said="" if trials == 1 else f"{done + ended} of {trials}")

        yield seen


def _json(found: Sequence[Candidate], question: Question | None, trials: int) -> Mapping[str, Any]:
    if question is not None and trials == 1:
        key = question.measure.replace(" ", "_").replace("@", "_at_")
        rates = {item.name: item.figures[item.measure] for item in found}
        return {"predictions": found[0].predictions, key: rates, "baseline": question.baseline}
    return {"candidates": [asdict(item) for item in found]}


def _report(found: Sequence[Candidate], baseline: str | None) -> None:
    """A table with a line of the learning curve for each candidate, all on one scale."""
    values = [value for item in found for _, value in item.curve]
    low, high = min(values, default=0.0), max(values, default=0.0)
    names = list(dict.fromkeys(name for item in found for name in item.figures))
    constants = list(dict.fromkeys(name for item in found for name in item.constants))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("candidate")
    for name in (*constants, *names, *([f"times {baseline}"] if baseline else [])):
        table.add_column(name, justify="right")
    table.add_column(f"{low:.3g} to {high:.3g}" if values else "", no_wrap=True)
    for item in found:
        figures = [f"{item.figures[name]:.4f}" if name in item.figures else "—" for name in names]
        times = [_times(item, found, baseline)] if baseline else []
        chosen = [str(item.constants.get(name, "")) for name in constants]
        table.add_row(*map(Text, [item.name, *chosen, *figures, *times, line(item.curve, low, high)]))
    console = Console()
    console.print(table)
    best = found[0]
    if not best.figures:
        rows = ", ".join(f"{count:,} in {storage}" for storage, count in best.rows.items())
        console.print(f"{best.name} declares no truth, so nothing was judged. Its rows: {rows}.")
    rate = best.events / max(best.seconds, 1e-9)
    console.print(
        f"{best.predictions:,} predictions, each made before its event was learned; {best.events:,} events, "
        f"{rate:,.0f} a second."
    )


def _times(item: Candidate, found: Sequence[Candidate], baseline: str) -> str:
    same = (other for other in found if other.name == baseline and other.constants == item.constants)
    base = next((other.figures.get(item.measure, 0.0) for other in same), 0.0)
    return f"{item.figures.get(item.measure, 0.0) / base:.2f}" if base else "—"
