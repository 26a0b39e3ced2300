"""`millrace rebuild`: a new version of a learner's storages, from the archive, while the old one serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.output import Output, OutputOption, say, write_json, write_rows

if TYPE_CHECKING:
    from millrace.rebuild.run import Rebuilt

app = typer.Typer()


@app.command()
def rebuild(
    learner: Annotated[str, typer.Argument(help="Name of the learner, whose `version` was raised.")],
    folder: Annotated[Path, typer.Option("--product", "-p", help="Folder of its data product.")] = Path(),
    switch: Annotated[bool, typer.Option("--switch/--no-switch", help="Let readers have it at the end.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Also if it has far fewer rows than the one before.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Fold the log after that, until workers of the new version take over.")
    ] = False,
    ray: Annotated[
        str | None, typer.Option(help="Fill it on the Ray cluster at this address, such as head:6379.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fill a learner's new version from the archive, catch up with Kafka, compare it with the old one, switch to it.

    The old version is read and written on as before. Killed at any moment, the same command goes on where it was.
    `millrace storages rollback` brings the old version back.

    \b
    Example: millrace rebuild popular --product films
    Example: millrace rebuild popular --product films --no-switch
    """
    from millrace.rebuild.run import Wanted, run_rebuild
    from millrace.settings import Settings

    _show(run_rebuild(folder, learner, Settings.load(), Wanted(switch, force, follow, ray)), output)


def _show(found: Rebuilt, output: Output) -> None:
    if output is Output.JSON:
        from dataclasses import asdict

        write_json(asdict(found))
        return
    name = f"{found.learner}@{found.version}"
    if found.events:
        rate = found.events / max(found.seconds, 0.001)
        say(f"Filled {name} from the archive: {found.events:,} events, {rate:,.0f} a second.")
    if found.compared:
        rows: list[dict[str, Any]] = [
            {
                "storage": item.storage,
                "versions": f"@{item.old} → @{item.new}",
                "rows": f"{_count(item.old_rows)} → {_count(item.new_rows)}",
                "looked_at": item.sampled,
                "equal": item.equal,
                "missing": item.missing,
                "added": item.added,
                "sum": f"{item.old_sum:,.6g} → {item.new_sum:,.6g}",
            }
            for item in found.compared
        ]
        write_rows(rows, output, "")
    if found.answers:
        say(f"Readers get {name}. Start its workers; `millrace storages rollback` brings back what was read before.")
    else:
        say(f"Readers do not get {name} yet: `millrace storages switch NAME@{found.version}` lets them.")


def _count(rows: int | None) -> str:
    return "?" if rows is None else f"{rows:,}"
