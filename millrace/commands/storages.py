"""`millrace storages`: what is stored, by whom, and how far each writer is. Its commands are in the files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from millrace.commands import storages_changing, storages_loading, storages_reading
from millrace.commands.output import Output, OutputOption, warn, write_rows

if TYPE_CHECKING:
    from storage import Catalogue

app = typer.Typer(invoke_without_command=True)
for part in (storages_reading, storages_changing, storages_loading):
    app.registered_commands.extend(part.app.registered_commands)


@app.callback()
def list_storages(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Every storage that describes itself: technology/format/name@version, rows, position, event time, writer.

    Example: millrace storages --output json
    """
    if context.invoked_subcommand is None:
        _list(output)


@app.command("list")
def list_by_name(output: OutputOption = Output.TABLE) -> None:
    """Every storage: the same as `millrace storages` alone.

    Example: millrace storages list --output json
    """
    _list(output)


def _list(output: Output) -> None:
    import asyncio

    from millrace.commands.store import elsewhere, must_answer
    from millrace.platform import Platform
    from millrace.settings import Settings

    async def listed() -> None:
        settings = Settings.load()
        async with Platform(settings).catalogue() as catalogue:
            await catalogue.refresh()
            rows = [await _row(catalogue, item) for item in catalogue.storages()]
            if rows or all(health.error is None for health in catalogue.health().values()):
                write_rows(rows, output, EMPTY)
            for sentence in catalogue.damaged():
                warn(sentence)
            must_answer(catalogue, settings, catalogue.health())
            if (hint := elsewhere(settings)) and output is Output.TABLE:
                warn(hint)

    asyncio.run(listed())


EMPTY = (
    "No storage yet; a learner creates its own when it starts: millrace learn FOLDER, "
    "or create one: millrace storages create redis/ranking/popular"
)


async def _row(catalogue: Catalogue, item: Any) -> dict[str, Any]:
    from millrace.commands.storages_reading import counted
    from storage.clock import moment

    units, alias = catalogue.states().get(item.title, []), catalogue.alias(item)
    newest = max((unit.watermark_ms for unit in units if unit.watermark_ms is not None), default=None)
    return {
        "storage": item.title,
        "read": alias is not None and alias.version == item.version,
        "rows": await counted(catalogue.reads(item.technology).count(item)),
        "events": sum(unit.next or 0 for unit in units),
        "newest_event": moment(newest),
        "writer": item.writer or None,
        "topic": item.topic or None,
    }
