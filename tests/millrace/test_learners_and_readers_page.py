"""docs/learners-and-readers.md names what the code has: each method with its arguments, and no method is left out."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import millrace as mr

PAGE = Path(__file__).parents[2] / "docs" / "learners-and-readers.md"
NAMED = re.findall(r"^\| `mr\.(\w+)(?:\.(\w+))?(?:\((.*)\))?` \| .{10,} \|$", PAGE.read_text("utf-8"), re.MULTILINE)
"""Class, method or nothing, and arguments of each line of the tables."""
FORMATS = ("Counters", "Ranking", "Records", "Vectors", "Parameters", "Documents")
INSIDE = {"bind", "describe", "options", "schema", "session", "storage"}
"""What the worker, and nobody's learner, asks of a declaration."""


@pytest.mark.parametrize(("owner", "method", "arguments"), NAMED, ids=lambda part: part or "-")
def test_what_the_page_names_is_called_like_this(owner: str, method: str, arguments: str) -> None:
    there = getattr(mr, owner)
    found = getattr(there, method) if method else there
    if isinstance(found, property):
        assert not arguments
        return
    taken = [one for one in inspect.signature(found).parameters.values() if one.name != "self"]
    said = [part.partition("=") for part in re.split(r", (?![^(]*\))", arguments)]
    assert [name for name, _, _ in said] == [one.name for one in taken]
    assert [default.strip("\"'") for _, _, default in said] == [
        "" if one.default is one.empty else str(one.default) for one in taken
    ]


@pytest.mark.parametrize("owner", [*FORMATS, *(f"{name}Reader" for name in FORMATS)])
def test_no_public_method_is_left_out(owner: str) -> None:
    there = getattr(mr, owner)
    public = {
        name
        for name, value in inspect.getmembers(there)
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }
    assert {method for name, method, _ in NAMED if name == owner and method} == public - INSIDE
