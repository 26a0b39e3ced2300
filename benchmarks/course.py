"""The course of a proof: its parts, one after the other, each in a folder of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.report import attempt, say

Extent = TypeVar("Extent")
Figures = Mapping[str, float | None]
Part = Callable[[Path, Extent], Figures]
"""Measures in a folder of its own, starts and ends all that it needs there, and returns what it has measured."""


def sized(arguments: Sequence[str], proof: Extent, quick: Extent) -> tuple[list[str], Extent]:
    """The parts that the command line names, and how much is measured: little with `--quick`."""
    names = [name for name in arguments if name != "--quick"]
    return names, proof if len(names) == len(arguments) else quick


def measured(
    parts: Mapping[str, Part[Extent]], names: Iterable[str], keys: Iterable[str], extent: Extent
) -> dict[str, float | None]:
    """Run these parts, or all where none is named; a figure that none of them has measured is None.

    Raises:
        KeyError: a part answers for what is no key of the proof.
    """
    figures: dict[str, float | None] = dict.fromkeys(keys)
    with tempfile.TemporaryDirectory(prefix="millrace-proof-") as place:
        for name in names or parts:
            begun = time.monotonic()
            found: Figures = attempt(partial(parts[name], Path(place) / name, extent), {})
            if unknown := found.keys() - figures.keys():
                raise KeyError(f"{name} answers for what is no key of the proof: {', '.join(unknown)}")
            figures |= found
            say(f"{name}: {dict(found)} ({time.monotonic() - begun:.0f} s)")
    return figures
