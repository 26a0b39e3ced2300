"""`millrace archive run`, `list`, `show`, `tidy` and `skip`: events kept as Delta Lake tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.output import Output, OutputOption, say, write_rows

if TYPE_CHECKING:
    from millrace.platform import Platform

app = typer.Typer(no_args_is_help=True)
Topic = Annotated[str, typer.Argument(help="The topic.")]


@app.command()
def run(
    name: Annotated[str, typer.Option(help="This process's fixed name among all that archive.")] = "archiver",
) -> None:
    """Archive every topic whose schema asks for it (`millrace.archive`), until Ctrl-C or SIGTERM.

    Each event is archived once, whatever is killed: positions are in the same commit as the rows. Start more of it,
    under other names, to share the topics' partitions.

    \b
    Example: millrace archive run
    Example: MILLRACE_ARCHIVE_URL=s3://events/archive millrace archive run --name archiver-2
    """
    from millrace.archive import run_archive
    from millrace.settings import Settings

    run_archive(Settings.load(), name)


@app.command("list")
def list_archives(output: OutputOption = Output.TABLE) -> None:
    """Archived topics: rows, bytes, files and days, and how many events are in Kafka alone.

    `missed` are events that the log had lost before its archive began. A topic that has an archive and does not ask
    for one any more is listed too.

    Example: millrace archive list --output json
    """
    from millrace.archive import every_event_type, facts, shelf_of

    with _platform() as platform:
        shelf = shelf_of(platform.settings)
        types = sorted(every_event_type(platform.registry), key=lambda one: one.topic)
        tables = [(shelf.table(one.topic), one.archived) for one in types]
        found = [facts(platform, table, asks) for table, asks in tables if asks or table.look()]
    write_rows(found, output, "No topic asks to be archived; write `class Click(mr.Event, ..., archive=True)`.")


@app.command()
def tidy(
    topic: Annotated[str | None, typer.Argument(help="The topic; left out, all of them, and all sources.")] = None,
) -> None:
    """Join small files, and remove what is older than `archive_days`. `millrace archive run` does it every hour.

    Of external sources, snapshots go that are not valid any more for longer than `keep` says, or `archive_days`.

    \b
    Example: millrace archive tidy clicks
    Example: millrace archive tidy
    """
    from millrace.archive import shelf_of
    from millrace.settings import Settings
    from millrace.sources.snapshot import snapshots_of, tidied

    settings = Settings.load()
    shelf = shelf_of(settings)
    from streams.archive import Upkeep
    from streams.errors import ArchiveUnavailable

    failed: list[str] = []
    for name in shelf.topics() if topic is None else [topic]:
        with _going_on(failed):
            table = shelf.table(name)
            Upkeep(keep_days=settings.archive_days).done(table)
            say(f"{name} has {table.size()['files']} files.")
    for name in shelf.sources() if topic is None else []:
        with _going_on(failed):
            snapshots = snapshots_of(name, settings)
            gone = tidied(snapshots, settings)
            say(f"The source {name} has {len(snapshots.all)} snapshots; {gone} were kept long enough.")
    if failed:
        raise ArchiveUnavailable("\n".join(failed))


@app.command()
def skip(topic: Topic, partition: Annotated[int, typer.Argument(help="The partition.", min=0)]) -> None:
    """Let a topic's archive go on where the log has lost events before they were archived.

    What was lost stays lost; that it was is said in the archive's history.

    Example: millrace archive skip clicks 3
    """
    from millrace.archive import ArchiveMissing, shelf_of

    with _platform() as platform:
        table = shelf_of(platform.settings).table(topic)
        spans = platform.topics.ends([topic])
        if (topic, partition) not in spans:
            raise ArchiveMissing(f"{topic} has no partition {partition}; they are numbered from 0 to {len(spans) - 1}.")
        low, _ = spans[topic, partition]
        lost = table.skip(partition, low)
    say(f"{lost} events of {topic} partition {partition} are in no archive; it goes on at {low}.")


@contextmanager
def _going_on(failed: list[str]) -> Iterator[None]:
    """Note what an archive says that does not answer, or that is refused."""
    from streams.errors import StreamError

    try:
        yield
    except StreamError as error:
        failed.append(str(error))


@contextmanager
def _platform() -> Iterator[Platform]:
    from contextlib import closing

    from millrace.platform import Platform
    from millrace.settings import Settings

    with closing(Platform(Settings.load())) as platform:
        yield platform
