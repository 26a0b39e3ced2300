"""Features as they were served beside what the archive says, as a picture: their distributions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from millrace.backtest.picture import canvas, save
from millrace.skew.comparison import Compared, Pair, is_number

MOST, COLUMNS, VALUES = 12, 3, 8
"""Features that are drawn, the least equal first; columns of them; values of one that is no number."""


def draw(file: Path, title: str, found: Sequence[Compared], pairs: Sequence[Pair]) -> None:
    """One panel for each feature: of numbers the two distribution functions, else how often each value came.

    Raises:
        MillraceError: the extra `plot` is not installed, or the file cannot be written.
    """
    shown = sorted(found, key=lambda item: (not item.skewed, item.equal))[:MOST]
    rows = math.ceil(max(len(shown), 1) / COLUMNS)
    figure, axes = canvas(rows, COLUMNS, figsize=(11, 0.6 + 2.6 * rows))
    panels = list(axes.flat)
    for panel, item in zip(panels, shown, strict=False):
        served, archive = ([part.get(item.feature) for part in side] for side in _sides(pairs))
        if all(map(is_number, [*served, *archive])):
            _numbers(panel, served, archive)
        else:
            _values(panel, served, archive)
        said = f"{item.feature}: {100 * item.equal:.1f} % equal, psi {item.psi:.2f}"
        panel.set_title(said, fontsize=8, loc="left", color="firebrick" if item.skewed else "black")
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=7)
    for panel in panels[len(shown) :]:
        panel.axis("off")
    if shown:
        panels[0].legend(frameon=False, fontsize=7)
    left_out = f" ({len(found) - len(shown)} more are not drawn)" if len(found) > len(shown) else ""
    figure.suptitle(title + left_out, fontsize=10, x=0.01, ha="left")
    save(figure, file)


def _sides(pairs: Sequence[Pair]) -> tuple[list[Any], list[Any]]:
    return [pair.served for pair in pairs], [pair.then for pair in pairs]


def _numbers(panel: Any, served: Sequence[float], archive: Sequence[float]) -> None:
    for name, values in (("served", served), ("archive", archive)):
        panel.ecdf(values, label=name, linewidth=1.4, linestyle="-" if name == "served" else "--")
    panel.set_ylabel("part of decisions", fontsize=7)


def _values(panel: Any, served: Sequence[Any], archive: Sequence[Any]) -> None:
    counts = [Counter(map(str, served)), Counter(map(str, archive))]
    names = [name for name, _ in (counts[0] + counts[1]).most_common(VALUES)]
    for place, (name, count) in enumerate(zip(("served", "archive"), counts, strict=True)):
        heights = [count[value] / len(served) for value in names]
        panel.bar([number + 0.4 * place for number in range(len(names))], heights, width=0.38, label=name)
    panel.set_xticks([number + 0.2 for number in range(len(names))], [name[:12] for name in names])
    panel.set_ylabel("part of decisions", fontsize=7)
