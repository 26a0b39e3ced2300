"""`millrace skew`: features as they were served, beside what the archive says of the same moment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millrace.commands.output import Output, OutputOption

app = typer.Typer()


@app.command()
def skew(
    folder: Annotated[Path, typer.Argument(help="Folder of a data product, such as examples/movies.")],
    endpoint: Annotated[str, typer.Option(help="The endpoint type, such as recommend, or recommend@2.")],
    since: Annotated[str, typer.Option(help="Decisions since then: 1d ago, or 2026-11-26.")] = "1d",
    tolerance: Annotated[
        float | None,
        typer.Option(help="The part of decisions that may differ; else product.toml's, 0.01.", min=0, max=1),
    ] = None,
    settle: Annotated[str, typer.Option(help="So long before its decision an event need not be known.")] = "5s",
    limit: Annotated[int, typer.Option(help="At most so many of the newest decisions.", min=1)] = 2_000,
    plot: Annotated[Path | None, typer.Option(help="Draw the features here: .png, .svg or .pdf.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Whether models get the features that they are trained with: exit code 1 where they do not.

    Decisions log features by `mr.log_features(clicks=3)`. Each is computed once more for its moment, by the product's
    learners over the archive, or by the training's own code, which the table skew of product.toml names.

    \b
    Example: millrace skew films --endpoint recommend --since 1d
    Example: millrace skew films --endpoint recommend --plot skew.png
    Example: millrace skew . --endpoint score --tolerance 0.001 --output json
    """
    from millrace.commands.span import moment_of, span_of
    from millrace.logs import say_on_stderr
    from millrace.settings import Settings
    from millrace.skew.run import Wanted, run_skew

    say_on_stderr()
    wanted = Wanted(endpoint, moment_of("--since", since), tolerance, span_of("--settle", settle), limit, plot)
    if not run_skew(folder, Settings.load(), wanted, output):
        raise typer.Exit(1)
