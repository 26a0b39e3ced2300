"""What each technology holds, as a table for docs/formats.md: made of `kinds.py`, so that it cannot differ."""

from __future__ import annotations

from collections.abc import Iterator

from storage.kinds import FORMATS, KINDS, Kind

_WHOSE = {"nearest": "vectors", "search": "documents"}
"""Which format it is that lacks an ability."""
_WORDS = {"nearest": "the nearest cannot be found", "search": "cannot be searched", "load": "not read back in a fold"}


def matrix() -> str:
    """The table in Markdown, and below it the words for all that cannot be."""
    head = ["technology", *FORMATS]
    rows = [head, ["---"] * len(head), *([f"**{name}**", *_cells(kind)] for name, kind in KINDS.items())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([table, "", *_reasons()])


def _cells(kind: Kind) -> Iterator[str]:
    for format in FORMATS:
        lacking = any(_WHOSE.get(ability, format) == format for ability in kind.lacks)
        yield "refused" if format in kind.refuses else "in part" if lacking else "yes"


def _reasons() -> Iterator[str]:
    for name, kind in KINDS.items():
        for format, why in kind.refuses.items():
            yield f"- {name} refuses {format}: {why}."
        for ability, why in kind.lacks.items():
            whose = _WHOSE.get(ability, "rows")
            if whose not in kind.refuses:
                yield f"- {name} holds {whose} in part, {_WORDS[ability]}: {why}."
