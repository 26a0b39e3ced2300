"""`millrace schemas register|check|list`: event types and what a change breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.output import Output, OutputOption, say, write_rows

if TYPE_CHECKING:
    from schemas import EventType

app = typer.Typer(no_args_is_help=True)
Place = Annotated[Path, typer.Argument(help="An .avsc file, a folder of them, or a data product.")]


@app.command()
def register(place: Place) -> None:
    """Check event types against what is registered, then register them.

    Example: millrace schemas register events/click.avsc
    """
    from millrace.settings import Settings
    from schemas import RegistryClient

    client = RegistryClient(Settings.load().registry_url)
    try:
        for event_type in _event_types(place):
            say(f"{event_type.subject}: registered with id {client.register(event_type)}")
    finally:
        client.close()


@app.command()
def check(place: Place) -> None:
    """Say what registering these event types would break, without registering; exit code 1 if anything.

    Example: millrace schemas check events/
    """
    from millrace.settings import Settings
    from schemas import RegistryClient

    client = RegistryClient(Settings.load().registry_url)
    broken = 0
    try:
        for event_type in _event_types(place):
            messages = client.check(event_type)
            broken += bool(messages)
            say(f"{event_type.subject}: {'would break' if messages else 'compatible'}")
            for message in messages:
                say(f"  {message}")
    finally:
        client.close()
    if broken:
        raise typer.Exit(1)


@app.command("list")
def list_schemas(output: OutputOption = Output.TABLE) -> None:
    """Registered subjects with their newest version and id.

    Example: millrace schemas list --output json
    """
    from millrace.settings import Settings
    from schemas import RegistryClient

    client = RegistryClient(Settings.load().registry_url)
    try:
        rows = []
        for subject in client.subjects():
            latest = client.latest(subject)
            if latest is not None:
                rows.append({"subject": subject, "version": latest.version, "id": latest.id})
    finally:
        client.close()
    write_rows(rows, output, "No schema is registered; register one: millrace schemas register FILE")


def _event_types(place: Path) -> list[EventType]:
    from millrace.product import Product
    from schemas import MillraceError, load

    if place.is_file():
        return [load(place)]
    files = sorted(place.glob("*.avsc"))
    if files:
        return [load(file) for file in files]
    if (place / "product.toml").exists() or (place / "events.py").exists():
        return list(Product.load(place).event_types.values())
    raise MillraceError(f"{place} is no .avsc file, holds none and is no data product; name one of these.")
