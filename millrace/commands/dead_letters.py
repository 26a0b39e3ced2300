"""`millrace dead-letters list`, `show`, `replay` and `resume`: what was refused, why, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.me import me
from millrace.commands.output import Output, OutputOption, say, write_json, write_rows
from millrace.commands.span import moment_of

if TYPE_CHECKING:
    from millrace.platform import Platform
    from streams import Selection

app = typer.Typer(no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Part of the error and its reason; numbers may be written as N.")]
Since = Annotated[str | None, typer.Option(help="Refused since then: 2h ago, or 2026-11-26T14:00.")]
Until = Annotated[str | None, typer.Option(help="Refused before then.")]
At = Annotated[
    list[str] | None, typer.Option("--at", help="Position in the log, 3/17 or 3/17-40; a letter's number, 42 or 42-50.")
]


@app.command("list")
def list_letters(
    topic: Annotated[str | None, typer.Argument(help="Of this topic alone.")] = None,
    reason: Reason = "",
    since: Since = None,
    until: Until = None,
    at: At = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Dead letters by topic and reason: how many, how many of them were put back, when the last was refused.

    \b
    Example: millrace dead-letters list
    Example: millrace dead-letters list clicks --since 1d --output json
    """
    from millrace.dead_letters import group

    meant = _selection(reason, since, until, at)
    with _platform() as platform:
        found = platform.letters.counted(topic, meant)
    write_rows([group(item) for item in found.groups], output, "No event was refused.")


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="A letter, clicks@42; or where the event was, clicks/3/17.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """One dead letter: where it came from, why it was refused, its key, headers and bytes, and what they mean.

    Its bytes are read by the schema that they were written with, where the registry has it and they fit.

    \b
    Example: millrace dead-letters show clicks@42
    Example: millrace dead-letters show clicks/3/17 --output json
    """
    from millrace import dead_letters

    with _platform() as platform:
        item = platform.letters.find(*_named(letter))
        document = dead_letters.letter(item, *platform.letters.decoded(item))
    if output is Output.JSON:
        write_json(document)
        return
    write_rows(dead_letters.facts(document, item), output, "")
    if item.event.value:
        say(dead_letters.dump(item))


@app.command()
def replay(
    topic: Annotated[str, typer.Argument(help="The topic whose dead letters are put back.")],
    reason: Reason = "",
    since: Since = None,
    until: Until = None,
    at: At = None,
    to: Annotated[str | None, typer.Option(help="Put them to another topic than the one they came from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be put back.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was put back there before.")] = False,
    unsure: Annotated[
        bool, typer.Option("--unsure", help="Also what a replay that was killed may have put back.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="So many letters at most, the oldest first.", min=1)] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Put dead letters back to their topic: bytes, key and headers exactly as they were, at the end of the log.

    Each is put back to a topic once, whoever replays, at the same time too; what was put back is remembered in Kafka.
    Where a replay is killed, up to 500 letters are unsure: they are left out until you say --unsure.

    \b
    Example: millrace dead-letters replay clicks --dry-run
    Example: millrace dead-letters replay clicks --reason "no schema with the id" --since 1d
    Example: millrace dead-letters replay clicks --at 3/17-40 --to clicks-repaired
    """
    from millrace.dead_letters import outcome, sentences
    from millrace.progress_bar import ProgressBar
    from schemas.errors import MillraceError
    from streams import Wish

    wish = Wish(topic, _selection(reason, since, until, at), to, again, unsure, limit)
    bar = ProgressBar(f"Dead letters of {topic}", shown=output is Output.TABLE, passing=True)
    with _platform() as platform, bar:
        done = platform.letters.replay(wish, me(), dry_run=dry_run, seen=bar.move)
    if output is Output.JSON:
        write_json(outcome(done, to or topic, dry_run))
    else:
        for sentence in sentences(done, to or topic, dry_run):
            say(sentence)
    if done.failed:
        raise MillraceError(f"{done.failed} letters were not put back: {done.problem}")


@app.command()
def stops(output: OutputOption = Output.TABLE) -> None:
    """Units of learners that stand still: too many events were bad for too long, or one cannot be read; see `resume`.

    Example: millrace dead-letters stops --output json
    """
    from millrace.dead_letters import stop

    with _platform() as platform:
        found = platform.stops.standing()
    write_rows([stop(item) for item in found], output, "No learner stands still.")


@app.command()
def resume(
    learner: Annotated[str, typer.Argument(help="The learner that stands still.")],
    partition: Annotated[int | None, typer.Option(help="On this partition of its topic alone.", min=0)] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let a learner go on where it stands still. Bad events that are in the log by now count no more.

    Those that its schema cannot read count as bad then: they become dead letters. To have them learned, give the
    learner an event type that reads them, and start it again.

    Example: millrace dead-letters resume most_liked
    """
    from millrace.dead_letters import stop

    with _platform() as platform:
        found = platform.go_on(learner, partition, me())
    write_rows([stop(item) for item in found], output, f"{learner} stands still nowhere.")
    if found and output is Output.TABLE:
        say("It goes on within a second or two.")


def _selection(reason: str, since: str | None, until: str | None, at: list[str] | None) -> Selection:
    from streams import Selection
    from streams.dead_letters.selection import positions

    places, numbers = positions(at or [])
    return Selection(reason, _moment("--since", since), _moment("--until", until), places, numbers)


def _moment(option: str, text: str | None) -> int | None:
    return None if text is None else round(moment_of(option, text).timestamp() * 1000)


def _named(letter: str) -> tuple[str, Selection]:
    """The topic of a letter, and which one it is."""
    from schemas.errors import MillraceError
    from streams import Selection
    from streams.dead_letters.selection import positions

    topic, mark, number = letter.partition("@")
    if not mark:
        topic, _, rest = letter.partition("/")
        number = rest if "/" in rest else ""
    places, numbers = positions([number]) if topic and number else ((), ())
    if not places and not numbers:
        raise MillraceError(f"{letter!r} is no dead letter; write clicks@42, or where the event was: clicks/3/17.")
    return topic, Selection(places=places, numbers=numbers)


@contextmanager
def _platform() -> Iterator[Platform]:
    from contextlib import closing

    from millrace.platform import Platform
    from millrace.settings import Settings

    with closing(Platform(Settings.load())) as platform:
        yield platform
