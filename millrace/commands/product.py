"""`millrace replay`, `backtest` and `check`: a data product tried before and beside live traffic."""

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
    source: Annotated[str, typer.Option("--from", help="A file of events (NDJSON, CSV, Parquet), or `dataset`.")],
    limit: Annotated[int | None, typer.Option(help="Only so many events.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the learning curve here, as SVG.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Progressive evaluation through the code that serves: each event is predicted, then learned.

    Example: millrace backtest examples/movies --from dataset
    """
    from millrace.backtest import run_backtest

    run_backtest(folder, source, limit=limit, plot=plot, as_json=output is Output.JSON)


@app.command()
def check(folder: Folder) -> None:
    """Hold a product's learners to the contract: determinism, batch boundaries, restart; exit code 1 if one fails.

    Example: millrace check examples/movies
    """
    from millrace.contract import check_product

    broken = 0
    for name, problems in check_product(folder):
        broken += bool(problems)
        say(f"{name}: {'breaks the contract' if problems else 'holds'}")
        for problem in problems:
            say(f"  {problem}")
    if broken:
        raise typer.Exit(1)
