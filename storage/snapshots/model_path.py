"""Where a value is within a model: the attributes, keys and places on the way to it, joined by "/".

As in a JSON pointer (RFC 6901, section 3) "~" is written "~0" and "/" is written "~1"; beyond it, an integer key is
"~2" with its digits and a boolean key "~3true" or "~3false", so that every path leads to one value only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.snapshots.value import Key


def step_of(key: Key) -> str:
    """One step, for an attribute or a key."""
    if isinstance(key, bool):
        return "~3true" if key else "~3false"
    if isinstance(key, int):
        return f"~2{key}"
    return key.replace("~", "~0").replace("/", "~1")


def key_of(step: str) -> Key:
    """The attribute or key of a step. Raises ValueError for what `step_of` does not write."""
    if step.startswith("~2"):
        return int(step[2:])
    if step.startswith("~3"):
        return {"~3true": True, "~3false": False}[step]
    return step.replace("~1", "/").replace("~0", "~")


def joined(path: str | None, step: str) -> str:
    """A path, one step longer; None is the model itself."""
    return step if path is None else f"{path}/{step}"


def tree_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by path as dictionaries by step, one within the other."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *way, last = path.split("/")
        branch = tree
        for step in way:
            below = branch.get(step)
            branch[step] = branch = below if isinstance(below, dict) else {}
        if not isinstance(branch.get(last), dict):
            branch[last] = value
    return tree
