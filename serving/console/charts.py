"""Charts as inline SVG, made on the server. Shapes stretch, strokes do not; no style attributes, so that a strict
Content-Security-Policy holds. Each is a decoration of a number that stands beside it as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, log

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


def histogram(bounds: Sequence[float], buckets: Sequence[int], marks: Mapping[str, float], limit: float) -> Markup:
    """Bars over a logarithmic time axis, each as high as its bucket's part of all; nothing where all are empty.

    Args:
        bounds: upper ends of the buckets in seconds, ascending; `buckets` has one more, for what is above the last.
        marks: times in seconds that a dashed line shows, by the words above it.
        limit: the time in seconds that should not be passed.
    """
    total = sum(buckets)
    filled = [index for index, count in enumerate(buckets) if count]
    if not filled:
        return Markup("")
    edges = (bounds[0] / 2, *bounds, bounds[-1] * 2)
    low = min(edges[filled[0]], limit / 2)
    high = max(edges[filled[-1] + 1], limit * 1.5)

    def across(seconds: float) -> float:
        return 100 * log(min(high, max(low, seconds)) / low) / log(high / low)

    top = ceil(10 * max(buckets) / total) / 10
    grid = Markup('<line class="grid" x1="0" x2="100" y1="{0}" y2="{0}"/>')
    parts = [grid.format(y) for y in (0, 50, 100)]
    for index in filled:
        x, height = across(edges[index]), 100 * buckets[index] / total / top
        width = max(0.2, across(edges[index + 1]) - x - 0.3)
        rect = Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>')
        parts.append(rect.format(x, 100 - height, width, height))
    line = Markup('<line class="{0}" x1="{1:.2f}" x2="{1:.2f}" y1="-2" y2="100"/>')
    parts += [line.format("mark", across(mark)) for mark in marks.values()]
    parts.append(line.format("limit", across(limit)))
    inner = Markup('<svg y="34" width="100%" height="170" viewBox="0 0 100 100" preserveAspectRatio="none">{}</svg>')
    places = {f"{words} {_milliseconds(mark)}": across(mark) for words, mark in marks.items()}
    words = _words({**places, f"deadline {_milliseconds(limit)}": across(limit)}, 9, apart=36)
    ticks = _words({_milliseconds(tick): across(tick) for tick in _ticks(low, high)}, 222)
    level = Markup('<text x="30" y="{}" text-anchor="end">{:.0f} %</text>')
    levels = Markup("").join(level.format(208 - 170 * part, 100 * part * top) for part in (0, 0.5, 1))
    return Markup('<svg width="38" height="228">{}</svg><svg class="s2" width="100%" height="228">{}{}{}</svg>').format(
        levels, inner.format(Markup("").join(parts)), words, ticks
    )


def _words(places: Mapping[str, float], y: int, apart: float = 0.0) -> Markup:
    """Texts along an axis at these places in per cent; one that would meet the one before stands a line lower."""
    made, end, low = Markup(""), -100.0, False
    for text, place in sorted(places.items(), key=lambda item: item[1]):
        low = place - end < apart and not low
        end = place
        anchor = "start" if place < 12 else "end" if place > 85 else "middle"
        made += Markup('<text x="{:.1f}%" y="{}" text-anchor="{}">{}</text>').format(place, y + 12 * low, anchor, text)
    return made


def _ticks(low: float, high: float) -> list[float]:
    """Round times inside the axis: 1, 2 and 5 of each power of ten, only the powers where these were too many."""
    powers = [10.0**power for power in range(-5, 4)]
    every = [tick for power in powers for tick in (power, 2 * power, 5 * power) if low <= tick <= high]
    return every if len(every) <= 8 else [power for power in powers if low <= power <= high]


def _milliseconds(seconds: float) -> str:
    return (
        f"{seconds * 1000:.2g} ms"
        if seconds < 0.01
        else f"{seconds * 1000:,.0f} ms"
        if seconds < 1
        else f"{seconds:g} s"
    )
