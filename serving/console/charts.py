"""Charts as inline SVG, made on the server. Shapes stretch, strokes do not; no style attributes, so that a strict
Content-Security-Policy holds. Each is a decoration of a number that stands beside it as text."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup


def sparkline(values: Sequence[float], warn: bool = False, top: float | None = None) -> Markup:
    """A line without axes, oldest value left, zero at the bottom. `top` is the value at the upper edge: give lines that
    are compared the same one; by default the largest of these. Nothing is drawn for fewer than two values."""
    if len(values) < 2:
        return Markup("")
    highest = max(top or 0.0, *values) or 1.0
    step = 100 / (len(values) - 1)
    points = " ".join(f"{index * step:.0f},{19 - 17 * value / highest:.1f}" for index, value in enumerate(values))
    css = "spark warn" if warn else "spark"
    return Markup(
        '<svg class="{}" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true"><path d="M{}"/></svg>'
    ).format(css, points)


def share(part: float, series: int = 2) -> Markup:
    """A bar whose length is `part` (0 to 1) of its cell, in the colour of a chart series."""
    width = round(100 * min(1.0, max(0.0, part)), 1)
    return Markup(
        '<svg class="range low s{}" viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-ci" y="3" height="20" width="{}"/></svg>'
    ).format(series, width)
