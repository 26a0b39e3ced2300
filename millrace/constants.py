"""Constants of a data product, set from outside: what a sweep varies."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

Constants = Mapping[str, Any]
"""`RATE`, or `models.RATE` where several modules have one -> its value: a number, a text, or another literal."""


def constant_of(text: str) -> Any:
    """The value that a text means: a literal as Python writes it, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def with_constants(source: bytes, path: str, module: str, wanted: Constants) -> tuple[ast.Module, set[str]]:
    """A module whose constants have other values, wherever it uses them, and which of the wanted ones it has.

    A constant is a name to which one value is given at the top of the module.

    Args:
        module: its name within the product.
    """
    tree: ast.Module = ast.parse(source, path)
    found: set[str] = set()
    for statement in tree.body:
        name = _assigned(statement)
        for key in () if name is None else (name, f"{module}.{name}"):
            if key in wanted:
                value = ast.parse(repr(wanted[key]), mode="eval").body
                statement.value = ast.copy_location(value, statement)  # type: ignore[attr-defined]
                found.add(key)
    return ast.fix_missing_locations(tree), found


def _assigned(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return name
    return None
