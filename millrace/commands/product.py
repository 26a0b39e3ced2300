"""`millrace replay`, `backtest`, `evaluate` and `check`: a data product tried before and beside live traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millrace.commands.output import Output, OutputOption, say

app = typer.Typer()
Folder = Annotated[Path, typer.Argument(help="Folder of a data product, such as examples/movies.")]


@app.command()
def replay(
    folder: Folder,
    rate: Annotated[
        float | None, typer.Option(help="Events per second; else as fast as it is learned.", min=0.1)
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many events.", min=1)] = None,
) -> None:
    """Emit a product's data set as live events, where an earlier replay ended.

    Example: millrace replay examples/movies --rate 2000
    """
    from millrace.replay_dataset import run_replay
    from millrace.settings import Settings

    run_replay(folder, Settings.load(), rate, limit)


@app.command()
def backtest(
    folder: Folder,
    source: Annotated[
        str, typer.Option("--from", help="A file of events (NDJSON, CSV, Parquet); `dataset`; `archive`, or `kafka`.")
    ],
    learner: Annotated[
        list[str] | None,
        typer.Option(help="Judge this learner's predictions; several are compared. Else implementations are."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="Try a constant of the product with each of these values: RATE=0.05,0.1."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many events.")] = None,
    since: Annotated[str | None, typer.Option(help="Of an archive: taken since then: 30d ago, or 2026-11-26.")] = None,
    until: Annotated[str | None, typer.Option(help="Of an archive: taken before then.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the learning curves here: .png, .svg or .pdf.")] = None,
    processes: Annotated[int | None, typer.Option(help="So many at once; else one for each core.", min=1)] = None,
    again: Annotated[bool, typer.Option("--again", help="Begin anew what the same command has done before.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """How good learners or implementations would have been: each past event is predicted, then learned.

    A learner folds what is archived, in the units of the log's partitions; implementations are asked about that and
    what is still in Kafka alone. Several trials run in processes of their own; where the command is ended, the same
    command goes on.

    \b
    Example: millrace backtest examples/movies --from dataset
    Example: millrace backtest examples/movies --from dataset --sweep TOGETHER=5,15,50
    Example: millrace backtest films --from archive --since 30d --learner like_rate --plot likes.png
    """
    from millrace.backtest.events import Extent
    from millrace.backtest.run import run_backtest
    from millrace.commands.span import moment_of

    extent = Extent(
        limit,
        None if since is None else moment_of("--since", since),
        None if until is None else moment_of("--until", until),
    )
    run_backtest(
        folder,
        source,
        extent,
        plot=plot,
        as_json=output is Output.JSON,
        learners=learner or (),
        sweeps=sweep or (),
        processes=processes,
        said=[source, str(limit), str(since), str(until), *sorted(learner or ()), *sorted(sweep or ())],
        again=again,
    )


@app.command()
def evaluate(
    folder: Folder,
    endpoint: Annotated[str, typer.Option(help="The endpoint type, such as recommend, or recommend@2.")],
    implementation: Annotated[str, typer.Option(help="The implementation that has not been live.")],
    goal: Annotated[str | None, typer.Option(help="By which goal; else that of the type's experiment.")] = None,
    part: Annotated[str, typer.Option(help="What of an answer counts as the decision, such as items.0.id.")] = "",
    days: Annotated[float, typer.Option(help="How far back decisions count.", min=0.01, max=3650)] = 7.0,
    limit: Annotated[int, typer.Option(help="At most so many of the newest.", min=1)] = 200_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """What an implementation would have earned, from logged decisions; exit code 1 where they cannot tell.

    Example: millrace evaluate examples/movies --endpoint recommend --implementation also_watched --part items.0.id
    """
    from datetime import timedelta

    from millrace.evaluate import Wanted, run_evaluation
    from millrace.settings import Settings

    wanted = Wanted(endpoint, implementation, goal, part, timedelta(days=days), limit)
    if not run_evaluation(folder, Settings.load(), wanted, output):
        raise typer.Exit(1)


@app.command()
def check(folder: Folder) -> None:
    """Hold a product's learners to the contract: determinism, batch boundaries, restart; exit code 1 if one fails.

    Jobs of jobs.toml and jobs.py are checked first: names, circles, crons, and whether what they load can be held.

    Example: millrace check examples/movies
    """
    from millrace.contract import check_product
    from millrace.product import ProductEmpty

    jobs, broken = _check_jobs(folder), 0
    try:
        for item in check_product(folder):
            broken += bool(item.problems)
            held = "holds" if item.events else f"not tried: the data set gives no event of {item.topic}"
            say(f"{item.learner}: {'breaks the contract' if item.problems else held}")
            for problem in item.problems:
                say(f"  {problem}")
    except ProductEmpty:
        if not jobs:
            raise
    if broken:
        raise typer.Exit(1)


def _check_jobs(folder: Path) -> bool:
    """Raises where a job cannot run; says how many can, where there are any. Whether jobs are declared."""
    from millrace.jobs.product_jobs import ProductJobs, declares_jobs

    if not declares_jobs(folder):
        return False
    from learners.jobs import JobsMissing
    from millrace.jobs.schedule import must_be_sound

    jobs = ProductJobs.load(folder).chain.jobs
    try:
        must_be_sound([folder])
    except JobsMissing as error:
        say(f"{len(jobs)} jobs can run; whether their crons come is not known: {error}")
    else:
        say(f"{len(jobs)} jobs can run: {', '.join(jobs)}")
    return True
