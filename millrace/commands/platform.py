"""`millrace up`, `down`, `status`, `registry`, `learn`, `serve` and `demo`: what runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.output import Output, OutputOption, printable, say, warn, write_json, write_rows

if TYPE_CHECKING:
    from millrace.learners_progress import UnitProgress
    from millrace.settings import Settings
    from streams import Stop

app = typer.Typer()
MaybeFolder = Annotated[Path | None, typer.Argument(help="Folder of a data product; left out, only what is deployed.")]
Folder = Annotated[Path, typer.Argument(help="Folder of a data product, such as examples/movies.")]


@app.command()
def up(output: OutputOption = Output.TABLE) -> None:
    """Start the local stack: Kafka, the schema registry, Redis, and each other store that a setting puts on loopback.

    Those are PostgreSQL (relational_url), Cassandra (cassandra_url), OpenSearch (search_url); SQLite needs no server.
    What an address on another machine names is left alone. All settings: docs/settings.md.

    Example: millrace up && millrace status
    Example: MILLRACE_SEARCH_URL=http://127.0.0.1:9200 millrace up
    """
    from millrace.settings import Settings
    from millrace.stack import Stack

    stack = Stack(Settings.load())
    stack.up(None if output is Output.JSON else say)
    _show(stack.status(), output)


@app.command()
def down() -> None:
    """Stop what `millrace up` and `millrace demo` started in this folder, and only that. The data stays.

    Example: millrace down
    """
    from millrace.settings import Settings
    from millrace.stack import Stack

    settings = Settings.load()
    stack = Stack(settings)
    if not stack.started():
        say("Nothing runs that was started in this folder.")
        return
    stack.down()
    say(f"Stopped. The data stays in {settings.state_dir}; remove that folder to start from nothing.")


@app.command()
def status(output: OutputOption = Output.TABLE) -> None:
    """What runs and where: the addresses of kafka, registry, the stores that are set up, and service; and each learner.

    Of learners: how many events they are behind, when they last committed, and which workers (group/member) fold them.
    A unit that stands still, has not started or has no worker is said with the reason; see also millrace dead-letters
    resume. Of learners that say which events are late: up to which event time they have folded, and how many were late.

    Example: millrace status --output json | jq -r .kafka.address
    Example: millrace status --output json | jq .learners.learners[].units
    """
    from millrace.settings import Settings
    from millrace.stack import Stack

    settings = Settings.load()
    found = Stack(settings).status()
    if found["kafka"]["state"] not in ("running", "elsewhere"):
        _show(found, output)
        return
    from millrace.dead_letters import stop
    from millrace.learners_progress import documents, rows, unusual

    (stopped, learners), times = _learners(settings), _event_times(settings)
    stops = [*map(stop, stopped)]
    if output is Output.JSON:
        if learners or stops:
            state = f"{len(stops)} stopped" if stops else f"{len(rows(learners))} learners"
            found["learners"] = {"state": state, "stops": stops, "learners": documents(learners)}
        if times:
            found["event_time"] = {"state": f"{sum(row['late'] for row in times)} late", "learners": times}
        _show(found, output)
        return
    _show(found, output)
    if learners:
        say("")
        write_rows(rows(learners), output, "")
    for row in times:
        say("{learner} has folded {topic} up to {watermark}; late events: {late:,}".format_map(row))
    told = ["{learner} stands still on {partition} since {since}: {reason}".format_map(item) for item in stops]
    for line in (*told, *unusual(learners)):
        warn(printable(line))


def _learners(settings: Settings) -> tuple[list[Stop], list[UnitProgress]]:
    """The units that stand still, and how far learners have come; nothing where Kafka does not say within a moment."""
    from millrace.learners_progress import learners_progress
    from millrace.platform import standing
    from schemas.errors import MillraceError

    try:
        stopped = standing(settings, 2.0)
        return stopped, learners_progress(settings, stopped)
    except MillraceError as error:
        warn(printable(f"How far learners have come, and whether they stand still, is not known: {error}"))
        return [], []


def _event_times(settings: Settings) -> list[dict[str, Any]]:
    """How far learners have come that say what is late; nothing of storages that do not answer."""
    from millrace.event_time import learners_times
    from schemas.errors import MillraceError

    try:
        return learners_times(settings)
    except MillraceError as error:
        warn(printable(f"How far learners have come is not known: {error}"))
        return []


def _show(found: dict[str, dict[str, object]], output: Output) -> None:
    if output is Output.JSON:
        write_json(found)
        return
    rows = [{"part": name, **part, "pid": part["pid"] and str(part["pid"])} for name, part in found.items()]
    write_rows(rows, output, "Nothing runs; start it: millrace up")


@app.command()
def registry(
    port: Annotated[int | None, typer.Option(help="Port to listen on; the settings' when left out.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; loopback unless set.")] = "127.0.0.1",
) -> None:
    """Run the schema registry alone, over the Kafka of the settings.

    Example: millrace registry --port 18081
    """
    from urllib.parse import urlsplit

    from millrace.settings import Settings
    from millrace.stack.registry import run_registry

    settings = Settings.load()
    run_registry(settings.kafka, host, port or urlsplit(settings.registry_url).port or 18081)


@app.command()
def learn(
    folder: MaybeFolder = None,
    processes: Annotated[int, typer.Option(help="Worker processes on this machine, for each product.", min=1)] = 1,
    name: Annotated[str, typer.Option(help="Prefix of the workers' fixed names in the consumer group.")] = "worker",
    trace: Annotated[Path | None, typer.Option(help="Write deliveries and commits here, for fault tests.")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Serve Prometheus metrics from this port on, one port for each worker.", min=1, max=65_535),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address for them; loopback unless set.")] = "127.0.0.1",
) -> None:
    """Fold a product's events into its storages, live; a worker that dies is started again at once.

    It ends when no worker can work: a storage exists with other options or by another learner, the registry refuses the
    schema of an event type, or another process runs under the same names (--name tells them apart).

    Without FOLDER, and where the setting `deployments` is on, the workers of every product that `millrace deploy` has
    sent: begun, replaced and ended as products are deployed and undeployed.

    Example: millrace learn examples/movies --processes 2
    Example: millrace learn examples/movies --metrics-port 9100 & curl localhost:9100/metrics
    Example: MILLRACE_DEPLOYMENTS=true millrace learn
    """
    from millrace.learn import run_deployed, run_learn
    from millrace.settings import Settings

    if folder is not None:
        metrics = None if metrics_port is None else (metrics_host, metrics_port)
        run_learn(folder, processes, name, trace, metrics)
    elif metrics_port is not None:
        raise typer.BadParameter("Metrics are those of one product's workers: name its FOLDER.")
    else:
        run_deployed(Settings.load(), processes, name)


@app.command(hidden=True)
def worker(
    folder: Folder,
    member: str,
    trace: Path | None = None,
    deployed: bool = False,
    packages: Path | None = None,
    counting: bool = False,
    metrics_port: int | None = None,
    metrics_host: str = "127.0.0.1",
) -> None:
    """One worker process, as `millrace learn` starts it, which is told by the exit code whether to start it again."""
    from learners import REFUSED, LearnerRefused
    from millrace.deployments.loading import OnDisk
    from millrace.settings import Settings
    from millrace.worker import run_worker
    from schemas.errors import IncompatibleSchema
    from storage import StorageConflict

    place = OnDisk(folder, packages) if deployed else folder
    try:
        metrics = None if metrics_port is None else (metrics_host, metrics_port)
        run_worker(place, Settings.load(), member, trace, counting or not deployed, metrics)
    except (LearnerRefused, StorageConflict, IncompatibleSchema) as error:
        if error.passes:
            raise
        warn(printable(str(error)))
        raise typer.Exit(REFUSED) from error


@app.command()
def serve(folder: MaybeFolder = None) -> None:
    """Answer a product's endpoint types over HTTP, with the console. Changed files are live within two seconds.

    Where the setting `deployments` is on, also those of every product that `millrace deploy` has sent; then FOLDER may
    be left out.

    Example: millrace serve examples/movies
    Example: MILLRACE_DEPLOYMENTS=true millrace serve
    """
    from millrace.service import run_service
    from millrace.settings import Settings

    run_service(folder, Settings.load())


@app.command()
def demo(
    folder: Folder = Path("examples/movies"),
    rate: Annotated[float | None, typer.Option(help="Events per second; else as fast as it is learned.")] = None,
    limit: Annotated[int | None, typer.Option(help="Replay only so many events.")] = None,
) -> None:
    """Everything real on this machine: stack, learners, service, and a data set replayed as events. Ctrl-C stops it.

    Example: millrace demo examples/movies --rate 2000
    """
    from millrace.demo import run_demo
    from millrace.settings import Settings

    run_demo(folder, Settings.load(), rate, limit)
