"""`millrace experiments show`: decisions, rewards and rate per variant, from the running service."""

from __future__ import annotations

from typing import Annotated

import typer

from millrace.commands.output import Output, OutputOption, write_rows

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `show` a command of its own while it is the only one."""


@app.command()
def show(
    endpoint: Annotated[str | None, typer.Argument(help="Only the experiment of this endpoint type.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Per variant: decisions, rewards and reward rate so far.

    Example: millrace experiments show recommend --output json
    """
    import httpx

    from millrace.settings import Settings
    from schemas.errors import MillraceError

    address = f"{Settings.load().service_url}/v1/experiments"
    try:
        found = httpx.get(address, timeout=10.0).raise_for_status().json()
    except httpx.HTTPError as error:
        raise MillraceError(
            f"The models service does not answer at {address}; start it: millrace serve FOLDER"
        ) from error
    rows = [row for row in found["variants"] if endpoint in (None, row["endpoint"])]
    write_rows(rows, output, "No experiment runs; declare one in product.toml under [experiments.<name>].")
