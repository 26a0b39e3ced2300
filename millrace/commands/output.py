"""How a listing is printed: a table for people, JSON for programs.

What is printed was often written by somebody else, so that no text reaches the terminal as it is: a control character
is shown, and never sent, and brackets mean nothing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
"""A time as storages keep it; people are shown it on this machine's clock, to the second."""


class Output(StrEnum):
    """`table` for people, `json` for programs: the same figures."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="table for people, json for programs.")]


def write_json(value: Any) -> None:
    """One JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def write_rows(rows: Sequence[Mapping[str, Any]], output: Output, empty: str) -> None:
    """Rows of one shape as a table or as a JSON list; `empty` says what is missing and how to make it."""
    if output is Output.JSON:
        write_json(list(rows))
        return
    if not rows:
        say(empty)
        return
    from rich.console import Console, JustifyMethod
    from rich.table import Table
    from rich.text import Text

    lines = [[printable(_text(value)) for value in row.values()] for row in rows]
    console = Console()
    if not console.is_terminal:  # a program reads it: one line each, whatever that makes of the width
        console = Console(width=10_000)
    table = Table(box=None, pad_edge=False, header_style="bold")
    kept = _fitting([name.replace("_", " ") for name in rows[0]], lines, console.width)
    for at, (name, value) in enumerate(list(rows[0].items())[:kept]):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        side: JustifyMethod = "right" if number else "left"
        header = Text(printable(name.replace("_", " ")))
        table.add_column(header, justify=side, no_wrap=at != 1, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line[:kept]))
    console.print(table)
    if kept < len(rows[0]):
        missing = ", ".join(list(rows[0])[kept:]).replace("_", " ")
        sys.stderr.write(f"Not shown for want of width: {missing}; --output json has all of it.\n")


def _fitting(names: Sequence[str], lines: Sequence[Sequence[str]], width: int) -> int:
    """How many columns, from the first on, stand beside one another in so many characters with nothing broken; at least
    two, the second of which is then broken between words."""
    needed = 0
    for at, name in enumerate(names):
        needed += max(map(len, [name, *(line[at] for line in lines)])) + 2 * (at > 0)
        if needed > width:
            return max(at, min(2, len(names)))
    return len(names)


def say(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(printable(text) + "\n")


def printable(text: str) -> str:
    """A text as a terminal may be given it: what is no printable character, but for line ends, as `\\x1b`."""
    if text.isprintable():
        return text
    shown = (one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)
    return "".join(shown)


def warn(text: str) -> None:
    """One line on stderr, which is no part of what was asked for."""
    sys.stderr.write(f"millrace: {text}\n")


def _text(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and _ISO.fullmatch(value):
        moment = datetime.fromisoformat(value).astimezone()
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
