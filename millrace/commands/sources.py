"""`millrace sources list`, `snapshot` and `show`: tables and files of other teams, kept in the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millrace.commands.output import Output, OutputOption, say, warn, write_json, write_rows

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Option("--product", "-p", help="Folder of the data product that declares it.")]
Here = Path()


@app.command("list")
def list_sources(product: Folder = Here, output: OutputOption = Output.TABLE) -> None:
    """The sources that a product declares, and what the archive has of each.

    Example: millrace sources list --product shop
    """
    from millrace.product import Product
    from millrace.settings import Settings
    from millrace.sources.table import listed

    found = listed(Product.load(product), Settings.load())
    write_rows(
        found, output, "The product declares no source; write [sources.<name>] in product.toml: docs/sources.md."
    )


@app.command()
def snapshot(
    name: Annotated[str, typer.Argument(help="The source, as product.toml has it.")],
    product: Folder = Here,
    output: OutputOption = Output.TABLE,
) -> None:
    """Read a source, and keep it as a new snapshot if it has changed; emit its changes where it is to emit them.

    A row that does not fit is named, and then nothing of it is kept. This is what a job runs.

    \b
    Example: millrace sources snapshot prices --product shop
    Example: CRM_URL=postgresql://reader:...@crm/crm millrace sources snapshot customers
    """
    from contextlib import closing

    from millrace.loading import rows_shown, stopping
    from millrace.platform import Platform
    from millrace.product import Product
    from millrace.settings import Settings
    from millrace.sources.snapshot import snapshot as take

    loaded = Product.load(product)
    with stopping("there is no new snapshot, unless it was complete already"), closing(Platform(Settings.load())) as on:
        with rows_shown(name, output is Output.TABLE) as seen:
            done = take(loaded, name, on, seen)
    if done.left_out:
        warn(f"{name} has columns that its snapshots leave out: {', '.join(done.left_out)}; declare them to keep them.")
    if output is Output.JSON:
        write_json(vars(done) | {"at": done.at.isoformat()})
        return
    what = "is a new snapshot" if done.new else "is as it was; no new snapshot"
    sent = "" if done.emitted is None else f"; {done.emitted:,} events emitted"
    say(f"{name} {what}: {done.rows:,} rows, valid from {done.at.astimezone():%Y-%m-%d %H:%M:%S}{sent}.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The source; whoever declares it.")], output: OutputOption = Output.TABLE
) -> None:
    """A source's columns and its snapshots, newest first.

    Example: millrace sources show prices --output json
    """
    from millrace.settings import Settings
    from millrace.sources.snapshot import snapshots_of
    from millrace.sources.table import shown

    rows, columns = shown(snapshots_of(name, Settings.load()))
    if output is Output.JSON:
        write_json({"source": name, "columns": columns, "snapshots": rows})
        return
    say(", ".join(f"{column} {kind}" for column, kind in columns.items()))
    write_rows(rows, output, "")
