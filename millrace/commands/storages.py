"""`millrace storages`: what is stored, by whom, and how far each writer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from millrace.commands.output import Output, OutputOption, write_rows

if TYPE_CHECKING:
    from millrace.settings import Settings

app = typer.Typer(invoke_without_command=True)


@app.callback()
def list_storages(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Every storage that describes itself: technology/format/name@version, rows, position, event time, writer.

    Example: millrace storages --output json
    """
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from millrace.settings import Settings

    rows = asyncio.run(_rows(Settings.load()))
    write_rows(rows, output, "No storage yet; a learner creates its own when it starts: millrace learn FOLDER")


async def _rows(settings: Settings) -> list[dict[str, object]]:
    from datetime import UTC, datetime

    from millrace.platform import Platform

    async with Platform(settings).catalogue() as catalogue:
        await catalogue.refresh()
        states = catalogue.states()
        rows: list[dict[str, object]] = []
        for item in catalogue.storages():
            units = states.get(item.title, [])
            newest = max((unit.watermark_ms for unit in units if unit.watermark_ms is not None), default=None)
            rows.append(
                {
                    "storage": item.title,
                    "rows": await catalogue.reads(item.technology).count(item),
                    "events": sum(unit.next or 0 for unit in units),
                    "newest_event": None if newest is None else datetime.fromtimestamp(newest / 1000, UTC).isoformat(),
                    "writer": item.writer,
                    "topic": item.topic,
                }
            )
        return rows
