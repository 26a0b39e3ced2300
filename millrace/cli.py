"""The command `millrace`: one file per noun in `commands/`, put together here.

Exit codes: 0 done, 1 something is wrong with what was asked (one sentence says what to do), 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from millrace.commands import (
    archive,
    dead_letters,
    deployments,
    endpoints,
    erasure,
    events,
    experiments,
    jobs,
    keys,
    platform,
    product,
    rebuild,
    schema,
    skew,
    sources,
    storages,
)
from millrace.commands.nouns import Nouns
from millrace.commands.output import printable

app = typer.Typer(
    help="Turn a stream of interaction events into models that live services can ask while events still arrive.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    cls=Nouns,
)
for part in (platform, product, rebuild, skew, deployments, erasure):
    for command in part.app.registered_commands:
        app.registered_commands.append(command)
app.add_typer(schema.app, name="schemas", help="Event types: register, and check what a change breaks.")
app.add_typer(storages.app, name="storages")
app.add_typer(endpoints.app, name="endpoints", help="Endpoint types: what a change breaks for those who ask.")
app.add_typer(experiments.app, name="experiments", help="Experiments: start, ramp, ship, stop; counts per variant.")
app.add_typer(events.app, name="events", help="What arrives, and where one event is and went; nothing is consumed.")
app.add_typer(dead_letters.app, name="dead-letters", help="Events that were refused: listed, shown, put back.")
app.add_typer(archive.app, name="archive", help="Events kept as Delta Lake tables, for every tool that reads these.")
app.add_typer(sources.app, name="sources", help="Tables and files of other teams: snapshots, and changes as events.")
app.add_typer(jobs.app, name="jobs", help="Batch jobs: commands in any language, with dependencies and a schedule.")
app.add_typer(keys.app, name="keys", help="Keys of the models service: who may ask, emit and change what.")
for group in app.registered_groups:
    group.cls = Nouns


def main() -> None:
    """Run a command; an error of ours is one sentence on stderr and exit code 1, never a traceback."""
    _without_proxy_on_this_machine()
    _must_be_text(sys.argv[1:])
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from schemas.errors import MillraceError  # not before something is wrong: it takes longer than the help text

        if not isinstance(error, MillraceError):
            raise
        _refuse(str(error), 1)


def _must_be_text(arguments: Sequence[str]) -> None:
    """Python hides bytes that are no UTF-8 in a text that cannot be written anywhere."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            _refuse(f"The argument {os.fsencode(argument)!r} is no UTF-8 text; write it in UTF-8.", 2)


def _refuse(why: str, code: int) -> NoReturn:
    sys.stderr.write(f"millrace: {printable(why)}\n")
    sys.exit(code)


def _without_proxy_on_this_machine() -> None:
    """A proxy that the environment names is not asked for loopback addresses, by this process and its children."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    os.environ["no_proxy"] = ",".join(filter(None, [known, "127.0.0.1", "localhost"]))
