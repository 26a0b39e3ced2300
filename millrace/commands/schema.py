"""`millrace schemas register|check|readers|forget|list`: event types, who reads them and what a change breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.output import Output, OutputOption, say, warn, write_json, write_rows

if TYPE_CHECKING:
    from millrace.schema_check import Verdict
    from schemas import EventType
    from schemas.registry_keeper import RegistryKeeper

NONE = "NONE"
"""The level that demands nothing."""

app = typer.Typer(no_args_is_help=True)
Place = Annotated[Path, typer.Argument(help="An .avsc file, a folder of them, or a data product.")]


@app.command()
def register(
    place: Place,
    force: Annotated[bool, typer.Option("--force", help="Also what learners that run now cannot read.")] = False,
) -> None:
    """Check event types against what is registered and who reads it, then register them: all, or none.

    Example: millrace schemas register events/click.avsc
    """
    from millrace.settings import Settings
    from schemas.registry_keeper import RegistryKeeper

    client = RegistryKeeper(Settings.load().registry_url)
    try:
        verdicts = _verdicts(place, client)
        free = {item.event_type.subject for item in verdicts if force or client.level(item.event_type.subject) == NONE}
        refused = [item for item in verdicts if item.earlier or (item.breaks and item.event_type.subject not in free)]
        for item in verdicts if refused else [item for item in verdicts if item.breaks]:
            for line in item.lines():
                say(line)
        if refused:
            levels = any(item.earlier for item in refused)
            hint = "the subject's level refuses it" if levels else "deploy these learners first, or use --force"
            warn(f"Nothing was registered: {hint}{', and --force does not change that' if levels and force else ''}.")
            raise typer.Exit(1)
        for item in verdicts:
            number = client.register(item.event_type, readers=not force)
            say(f"{item.event_type.subject}: registered with id {number}")
    finally:
        client.close()


@app.command()
def check(place: Place, output: OutputOption = Output.TABLE) -> None:
    """Say what registering these event types would break, without registering; exit code 1 if anything.

    Named are the versions before, and every learner that could not read on, with the storages it writes and the
    endpoints that read these. What nobody reads is a note, and no reason to fail.

    Example: millrace schemas check events/
    """
    from millrace.settings import Settings
    from schemas.registry_keeper import RegistryKeeper

    client = RegistryKeeper(Settings.load().registry_url)
    try:
        verdicts = _verdicts(place, client)
    finally:
        client.close()
    if output is Output.JSON:
        write_json([item.document() for item in verdicts])
    for line in (line for item in verdicts if output is Output.TABLE for line in item.lines()):
        say(line)
    if any(item.broken for item in verdicts):
        raise typer.Exit(1)


@app.command()
def readers(output: OutputOption = Output.TABLE) -> None:
    """Who reads which topic, by what the learners said when their workers began; and what hangs on them.

    Example: millrace schemas readers --output json
    """
    from millrace.schema_check import documents_of
    from millrace.settings import Settings
    from schemas.graph import Graph
    from schemas.registry_keeper import RegistryKeeper

    settings = Settings.load()
    client = RegistryKeeper(settings.registry_url)
    try:
        graph = Graph.of(documents_of(settings, client))
    finally:
        client.close()
    rows = [
        {
            "topic": reader.topic,
            "learner": f"{reader.learner}@{reader.version}",
            "product": reader.product,
            "storages": ", ".join(reader.storages),
            "endpoints": ", ".join(graph.affected(reader).endpoints),
            "emits": ", ".join(reader.emits),
            "since": reader.since,
        }
        for reader in graph.readers
    ]
    write_rows(rows, output, "No learner has said what it reads; workers do when they begin: millrace learn FOLDER")


@app.command()
def asyncapi(out: Annotated[Path | None, typer.Option(help="Write it here; left out, to stdout.")] = None) -> None:
    """What is registered and who reads it, as an AsyncAPI 3.0 document; a running service gives it at /asyncapi.json.

    Example: millrace schemas asyncapi --out asyncapi.json
    """
    import json

    from millrace.schema_check import documents_of
    from millrace.settings import Settings
    from schemas.registry_keeper import RegistryKeeper
    from serving.registered import Registered

    settings = Settings.load()
    client = RegistryKeeper(settings.registry_url)
    try:
        rows = documents_of(settings, client)
        document = Registered(client, lambda: rows, settings.kafka, settings.registry_url).asyncapi()
    finally:
        client.close()
    if out is None:
        write_json(document)
    else:
        out.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        say(f"{out}: {len(document['channels'])} topics.")


@app.command()
def forget(
    key: Annotated[str, typer.Argument(help="product/NAME or service/NAME, whatever it is that is gone.")],
) -> None:
    """Forget what a product's workers, or a service, read: they are gone for good, and no change breaks them.

    Undeployed products are forgotten by themselves.

    Example: millrace schemas forget product/movies
    """
    from contextlib import closing

    from millrace.platform import Platform
    from millrace.settings import Settings
    from schemas import MillraceError

    with closing(Platform(Settings.load())) as platform:
        if not platform.readers.forget(key):
            known = ", ".join(platform.readers.documents()) or "none"
            raise MillraceError(f"Nobody has said that {key} reads anything; known: {known}.")
    say(f"{key} is forgotten.")


@app.command("list")
def list_schemas(output: OutputOption = Output.TABLE) -> None:
    """Registered subjects with their newest version and id.

    Example: millrace schemas list --output json
    """
    from millrace.settings import Settings
    from schemas.registry_keeper import RegistryKeeper

    client = RegistryKeeper(Settings.load().registry_url)
    try:
        rows = []
        for subject in client.subjects():
            latest = client.latest(subject)
            if latest is not None:
                rows.append({"subject": subject, "version": latest.version, "id": latest.id})
    finally:
        client.close()
    write_rows(rows, output, "No schema is registered; register one: millrace schemas register FILE")


def _verdicts(place: Path, client: RegistryKeeper) -> list[Verdict]:
    from millrace.schema_check import documents_of, verdict
    from millrace.settings import Settings
    from schemas.graph import Graph

    event_types = _event_types(place)
    graph = Graph.of(documents_of(Settings.load(), client))
    return [verdict(event_type, client, graph) for event_type in event_types]


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
