"""`millrace jobs run`, `status`, `graph`, `logs`, `schedule` and `add`: batch commands in any language."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.output import Output, OutputOption, say, warn, write_json, write_rows

if TYPE_CHECKING:
    from learners.jobs.board import Board, Line, Run

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="Folder of a data product, such as examples/movies.")]
Name = Annotated[str, typer.Argument(help="The job.")]


@app.command()
def run(folder: Folder, name: Name, output: OutputOption = Output.TABLE) -> None:
    """Run one job now, with its retries, and load what it wrote; exit code 1 if it fails.

    It does not wait for what it comes after. If it fails, its storages serve what they served.

    \b
    Example: millrace jobs run examples/similar item_vectors
    """
    from millrace.jobs.runs import Runs
    from millrace.settings import Settings

    shown = output is Output.TABLE
    done = Runs(folder, Settings.load()).run(name, _printed if shown else lambda part: None)
    if output is Output.JSON:
        write_json(_run(done))
    elif done.state == "succeeded":
        say(f"{name} has succeeded in {done.seconds(0.0) or 0.0:.1f} s (run {done.run[:8]}).{_figures(done)}")
    if done.state != "succeeded":
        if shown:
            warn(f"{name} has failed: {done.why} Its log: millrace jobs logs {folder} {done.run[:8]}")
        raise typer.Exit(1)


@app.command()
def status(folder: Folder, output: OutputOption = Output.TABLE) -> None:
    """Each job: whether its last run succeeded, how long it took against usual, when it runs next, what it waits for.

    \b
    Example: millrace jobs status examples/similar
    Example: millrace jobs status examples/similar --output json | jq '.jobs[].runs[0].state'
    """
    from datetime import UTC, datetime

    board = _board(folder)
    if output is Output.JSON:
        from millrace.jobs.document import document

        write_json(document(board))
        return
    rows = [_row(line, board.at) for line in board.lines]
    write_rows(rows, output, "There are no jobs.")
    if any(line.cron or line.after for line in board.lines) and (board.at - (board.scheduled or 0.0)) > 60:
        since = datetime.fromtimestamp(board.scheduled, UTC) if board.scheduled else None
        when = "has never run here" if since is None else f"has not run since {since:%Y-%m-%d %H:%M} UTC"
        warn(f"The schedule {when}, so no job runs by itself; start it: millrace jobs schedule {folder}")


@app.command()
def graph(folder: Folder, output: OutputOption = Output.TABLE) -> None:
    """What comes after what: archived topics, jobs, and the storages that they load. Needs no Dagster.

    \b
    Example: millrace jobs graph examples/similar
    """
    from millrace.jobs.product_jobs import ProductJobs

    chain = ProductJobs.some(folder).chain
    if output is Output.JSON:
        write_json({"columns": chain.columns(), "edges": [list(edge) for edge in chain.edges()]})
        return
    rows = [
        {
            "job": job.name,
            "after": ", ".join(job.after) or None,
            "cron": job.cron or None,
            "loads": ", ".join(job.loads) or None,
        }
        for job in chain.jobs.values()
    ]
    write_rows(rows, output, "There are no jobs.")


@app.command()
def logs(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="A job, for its newest run, or a run.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
) -> None:
    """What a run printed, on stdout and stderr, in all of its tries.

    \b
    Example: millrace jobs logs examples/similar item_vectors
    Example: millrace jobs logs examples/similar 009b248d --follow
    """
    from codecs import getincrementaldecoder

    from millrace.commands.output import printable
    from millrace.jobs.runs import Runs
    from millrace.settings import Settings

    runs = Runs(folder, Settings.load())
    if follow:
        decoder = getincrementaldecoder("utf-8")(errors="replace")
        for part in runs.follow(name):
            sys.stdout.write(printable(decoder.decode(part).replace("\t", "    ")))
            sys.stdout.flush()
        return
    _, log = runs.log(name)
    with log.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            sys.stdout.write(printable(line.replace("\t", "    ")))


@app.command()
def schedule(folders: Annotated[list[Path], typer.Argument(help="Folders of data products.")]) -> None:
    """Run jobs when they are due, by Dagster's daemon, until Ctrl-C or SIGTERM. Changed jobs count within seconds.

    \b
    Example: millrace jobs schedule examples/similar
    Example: MILLRACE_JOBS_WEBHOOK_URL=https://chat.example/hook millrace jobs schedule films shop
    """
    from millrace.jobs.schedule import run_schedule
    from millrace.settings import Settings

    run_schedule(folders, Settings.load())


@app.command()
def add(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="What the job is to be called.")],
    command: Annotated[list[str], typer.Argument(help="The command, behind --.")],
    cron: Annotated[str, typer.Option(help='When it runs, such as "0 3 * * *".')] = "",
    timezone: Annotated[str, typer.Option(help="Of the cron; UTC if left out.")] = "",
    after: Annotated[list[str] | None, typer.Option(help="A job, or archive.TOPIC; may be repeated.")] = None,
    exports: Annotated[list[str] | None, typer.Option(help="TOPIC=FILE; may be repeated.")] = None,
    since: Annotated[str, typer.Option(help="Which events are exported: 7d, or 'last run'; all if left out.")] = "",
    loads: Annotated[list[str] | None, typer.Option(help="STORAGE=FILE; may be repeated.")] = None,
    retries: Annotated[int, typer.Option(help="How often a run that fails is tried again.", min=0)] = 0,
    timeout: Annotated[str, typer.Option(help="How long a try may take: 30m, 2h; 6h if left out.")] = "",
    first: Annotated[bool, typer.Option("--run", help="Run it now, too, once it is written.")] = False,
) -> None:
    """Make a command a job of a product: checked, written into its jobs.toml, and run by a schedule that runs already.

    So a candidate for an experiment, whose model somebody has trained by hand, is trained anew every night.

    \b
    Example: millrace jobs add examples/similar candidate --cron "0 3 * * *" --exports likes=likes.parquet \
--loads relational/vectors/candidate=vectors.csv --run -- node candidate.mjs
    """
    from millrace.jobs.adding import add_job
    from millrace.jobs.product_jobs import TOML

    table = {
        "command": command,
        "after": after,
        "cron": cron,
        "timezone": timezone,
        "retries": retries,
        "timeout": timeout,
        "exports": _pairs("--exports", exports),
        "since": since,
        "loads": _pairs("--loads", loads),
    }
    _must_come(name, table)
    job = add_job(folder, name, table)
    when = "when it is due" if job.scheduled else "when somebody asks for it"
    say(f"{name} is in {folder / TOML}, and runs {when}. A schedule that runs sees it: millrace jobs schedule {folder}")
    if first:
        run(folder, name)


def _must_come(name: str, table: dict[str, Any]) -> None:
    from learners.jobs import read_job
    from learners.jobs.errors import needing_dagster

    with needing_dagster():
        from learners.jobs.project import must_come
    must_come(read_job(name, {key: value for key, value in table.items() if value}))


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for text in given or ():
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise typer.BadParameter(f"{text!r} is no NAME=FILE.", param_hint=option)
        found[left] = right
    return found


def _board(folder: Path) -> Board:
    from millrace.jobs.runs import Runs
    from millrace.settings import Settings

    return Runs(folder, Settings.load()).board()


def _run(item: Run) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(item)


def _row(line: Line, now: float) -> dict[str, Any]:
    last = line.last
    return {
        "job": line.job,
        "last run": "never ran" if last is None else last.state,
        "took": None if last is None else _span(last.seconds(now)),
        "usually": _span(line.usual),
        "began": None if last is None else _iso(last.began),
        "next": _iso(line.next) or ("when they are newer" if line.after else "when asked for"),
        "waits for": ", ".join(line.waits) or None,
        "why": (last.why if last is not None and last.why else None),
    }


def _span(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _iso(moment: float | None) -> str | None:
    from datetime import UTC, datetime

    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()


def _figures(done: Run) -> str:
    told = [
        f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}" for name, value in done.figures.items()
    ]
    return f" {'; '.join(told)}." if told else ""


def _printed(part: bytes) -> None:
    from millrace.commands.output import printable

    sys.stdout.write(printable(part.decode(errors="replace").replace("\t", "    ")))
    sys.stdout.flush()
