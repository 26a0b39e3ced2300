"""`millrace events tail` and `find`: what arrives, and where one event is and went. Nothing is consumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.commands.output import Output, OutputOption, say, write_json, write_rows

if TYPE_CHECKING:
    from millrace.platform import Platform

app = typer.Typer(no_args_is_help=True)


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="The topic whose newest events are shown.")],
    count: Annotated[int, typer.Option("--count", "-n", help="So many.", min=1, max=1_000)] = 20,
    words: Annotated[str, typer.Option("--filter", help="Words that the key or the event has, all of them.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come, until Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """The newest events of a topic, decoded, the newest last; what cannot be read with the reason.

    At most 200 events a second are read while following; what comes above is passed over.

    \b
    Example: millrace events tail clicks
    Example: millrace events tail clicks --filter "u7 i42" --follow
    Example: millrace events tail clicks -n 100 --output json
    """
    from millrace.events import following, newest, row

    with _platform() as platform:
        found = [row(item) for item in newest(platform, topic, count, words)]
        if not follow:
            write_rows(found, output, f"{topic} has no such event among its newest.")
            return
        for item in found:
            _line(item, output)
        for told in following(platform, topic, words):
            _line(row(told), output)


@app.command()
def find(
    event: Annotated[list[str], typer.Argument(help="Position, clicks/3/917; or id or key, and fields: u7 item=i42.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Where an event is, what it says and where it went: who folded it, whether it was refused, or came twice.

    The newest 20,000 events of each topic are looked through; name the topic first to look through it alone. Exit code
    1 where there is no such event.

    \b
    Example: millrace events find clicks/3/917
    Example: millrace events find 7f3a-2201
    Example: millrace events find clicks u7 item=i42 --output json
    """
    from millrace.events import about, facts, row, sought
    from schemas.errors import MillraceError

    with _platform() as platform:
        place, matches = sought(platform, " ".join(event))
        if place is None:
            raise MillraceError(f"There is no such event among the newest {matches.looked if matches else 0:,}.")
        document = about(platform, *place)
    others = [row(item) for item in matches.found[1:]] if matches else []
    if output is Output.JSON:
        write_json(document | {"others": others})
        return
    write_rows(facts(document), output, "")
    if others:
        say(f"\nAlso found, the newest first ({len(others)}):")
        write_rows(others, output, "")


def _line(item: dict[str, object], output: Output) -> None:
    """Said at once: who follows is often another program."""
    import json
    import sys

    say(
        json.dumps(item) if output is Output.JSON else "  ".join("—" if it is None else str(it) for it in item.values())
    )
    sys.stdout.flush()


@contextmanager
def _platform() -> Iterator[Platform]:
    from contextlib import closing

    from millrace.platform import Platform
    from millrace.settings import Settings

    with closing(Platform(Settings.load())) as platform:
        yield platform
