"""The chart of a measure over the predictions of a backtest: a line for each candidate, as inline SVG. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from serving.console import wording
from serving.console.lift_chart import Chart, step_of

LINES = 8
"""So many candidates have a line; a table has all of them."""
SERIES = (2, 3)
"""Colours of the best and the second; the others are grey, behind them."""


def drawn_of(candidates: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the first candidates that have a line, as they have two points, in the order of the lines' places."""
    return [item for item in candidates[:LINES] if len(item["curve"]) > 1]


def curve_chart(candidates: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Draw the curves of the first candidates on one scale; None where none has a line."""
    drawn = drawn_of(candidates)
    if not drawn:
        return None
    values = [value for item in drawn for _, value in item["curve"]]
    last = max(predictions for item in drawn for predictions, _ in item["curve"])
    low, high = min(values), max(values)
    step = step_of(max(high - low, 1e-6))
    bottom, top = math.floor(low / step - 0.25) * step, math.ceil(high / step + 0.25) * step
    heights = [number * step for number in range(round(bottom / step) + 1, round(top / step))]

    def down(value: float) -> float:
        return round(float(100 * (top - value) / (top - bottom)), 2)

    shapes = Markup("").join(
        Markup('<line class="grid" x1="0" x2="100" y1="{0}" y2="{0}"/>').format(down(height)) for height in heights
    )
    for place, item in reversed(list(enumerate(drawn))):
        points = "L".join(f"{100 * predictions / last:.2f} {down(value)}" for predictions, value in item["curve"])
        shapes += Markup('<path class="line s{}" d="M{}"/>').format(series_of(place), points)
    return Chart(
        shapes,
        [(down(height), f"{height:.6g}") for height in heights],
        ((0.0, "0", "start"), (100.0, f"{wording.count(last)} predictions", "end")),
        "; ".join(f"{item['title']}: {wording.number(item['figures'][item['measure']])}" for item in drawn),
    )


def series_of(place: int) -> int:
    """The colour of a line, by its place."""
    return SERIES[place] if place < len(SERIES) else 1
