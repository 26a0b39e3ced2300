"""`millrace erase`: one person's events and rows, looked for everywhere and removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.output import Output, OutputOption, say, write_json, write_rows

if TYPE_CHECKING:
    from millrace.erasure.report import Report

app = typer.Typer()


@app.command()
def erase(
    subject: Annotated[str, typer.Option(help="The person, as events name it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; left out, only what would go is shown.")] = False,
    wait: Annotated[
        float, typer.Option(help="Seconds that learners and archives may take to come to the end of their logs.", min=0)
    ] = 60.0,
    left_out: Annotated[
        list[str] | None,
        typer.Option("--except", help="A storage that stays as it is, such as redis/counters/views; may be repeated."),
    ] = None,
    undeclared: Annotated[
        bool, typer.Option("--undeclared", help="Also what is folded from topics that do not say whom they are about.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="A file for the report, in JSON.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove one person from storages and archives, and say what remains where and until when.

    Workers and archivers may run. It may be done again at any time, and is to be done again where it was interrupted.
    Exit code 1: it is not complete; the report says why.

    \b
    Example: millrace erase --subject u42
    Example: millrace erase --subject u42 --yes --report erased-u42.json
    """
    import json
    from contextlib import closing

    from millrace.erasure.erasure import Erasure
    from millrace.platform import Platform
    from millrace.settings import Settings

    with closing(Platform(Settings.load())) as platform:
        erasure = Erasure(platform, subject, left_out or (), undeclared)
        found = erasure.erase(wait) if yes else erasure.look()
    if report is not None:
        report.write_text(json.dumps(found.to_dict(), indent=2) + "\n", "utf-8")
    if output is Output.JSON:
        write_json(found.to_dict())
    else:
        _say(found)
    if found.problems or (found.erased and not found.complete):
        raise typer.Exit(1)


def _say(report: Report) -> None:
    rows = [{"place": f"{one.kind} {one.place}", "rows": one.rows, "items": one.items} for one in report.places]
    if report.erased:
        rows = [{**row, "left": one.left} for row, one in zip(rows, report.places, strict=True)]
    told = [{**row, "remains": one.remains or None} for row, one in zip(rows, report.places, strict=True)]
    write_rows(told, Output.TABLE, "Nothing is found, and no event type says whom it is about.")
    for line in [*report.unjudged, *report.behind, *report.problems]:
        say(line)
    if not report.erased:
        say("Nothing was removed; --yes does it.")
    elif report.complete:
        spared = (
            "; what does not say whom it is about is named above, and has all that it had" if report.unjudged else ""
        )
        say(f"Erased: looked again, and nothing is left that can be removed{spared}. In the audit log: {report.id}")
    else:
        say(f"Not complete; erase again. Its id in the audit log: {report.id}")
