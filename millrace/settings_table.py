"""Every setting, as a table for docs/settings.md: made of `settings.py` and `KINDS`, so that it cannot differ."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from itertools import pairwise

from millrace import settings
from millrace.settings import Settings, known


def settings_table() -> str:
    """The table in Markdown: name in `millrace.toml`, variable, value unless set, and what it is."""
    said, usual = _said(), Settings()
    lines = ["| `millrace.toml` | variable | unless set | what it is |", "| --- | --- | --- | --- |"]
    for name in known():
        default = getattr(usual, name, usual.addresses.get(name.removesuffix(settings.URL), ""))
        variable = "only in the file" if isinstance(default, Mapping) else f"`MILLRACE_{name.upper()}`"
        words = said.get(name, f"Where {name.removesuffix(settings.URL)} is; empty = there is none.")
        lines.append(f"| `{name}` | {variable} | {_shown(default)} | {words} |")
    return "\n".join(lines)


def _said() -> dict[str, str]:
    """The docstring below each attribute, in one line."""
    body = next(node for node in ast.parse(inspect.getsource(Settings)).body if isinstance(node, ast.ClassDef)).body
    found = {}
    for before, after in pairwise(body):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            found[before.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return found


def _shown(default: object) -> str:
    if default == "" or isinstance(default, Mapping):
        return "nothing"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
