"""The chart of a lift over time: a filled band for one variant, dashed edges for the others, as inline SVG. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from serving.console import wording
from serving.measurements import Lift, LiftPoint

WIDTH, HEIGHT = 100.0, 100.0
FAR = 3.0
"""A bound is drawn at most so many heights of the chart away: early ones are wide, and the chart is not for them."""
STEPS = (1, 2, 5, 10)
LEAST = 1e-4
"""Of lift, from the lower edge to the upper one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One variant's points, oldest first, in the colour of a chart series."""

    name: str
    series: int
    points: Sequence[LiftPoint]


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template shows: the picture, its heights and moments as text, and the finding for those who hear it."""

    picture: Markup
    heights: Sequence[tuple[float, str]]
    moments: Sequence[tuple[float, str, str]]
    finding: str


def lift_chart(lines: Sequence[Line]) -> Chart | None:
    """Draw the lines on one scale; None while no line has two points."""
    drawn = [line for line in lines if len(line.points) > 1]
    if not drawn:
        return None
    scale = _Scale.of(drawn)
    grid = Markup("").join(
        Markup('<line class="{}" x1="0" x2="100" y1="{}" y2="{}"/>').format(
            "zero" if height == 0 else "grid", scale.y(height), scale.y(height)
        )
        for height in scale.heights
    )
    shapes = Markup("").join(_line(line, scale, band=line is drawn[0]) for line in reversed(drawn))
    return Chart(
        grid + shapes,
        [(scale.y(height), wording.signed_percent(height).replace(".0", "")) for height in scale.heights],
        scale.moments(),
        "; ".join(f"{line.name}: {_words(line.points[-1])}" for line in drawn),
    )


def _words(point: LiftPoint) -> str:
    return wording.lift_range(point.lift, point.low, point.high)


@dataclass(frozen=True, slots=True)
class Bars:
    """Ranges of lifts on one scale: a picture for each, None where there is no range, and the scale's ends as text."""

    pictures: Sequence[Markup | None]
    low: str
    high: str


def lift_bars(lifts: Sequence[Lift | None]) -> Bars:
    """Draw each variant's range of lift as a bar with its estimate and the line of no difference."""
    ranges = [None if item is None or item.lift is None or item.lift.reach is None else item.lift for item in lifts]
    ends = [end for item in ranges if item is not None for end in (item.low, item.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0

    def place(lift: float | None) -> float:
        return round(4 + 92 * ((lift or 0.0) - low) / span, 2)

    pictures = [
        None
        if item is None
        else _BAR.format(
            series=min(number, 3),
            start=place(item.low),
            width=round(place(item.high) - place(item.low), 2),
            point=place(item.estimate),
            zero=place(0.0),
        )
        for number, item in enumerate(ranges, 2)
    ]
    return Bars(pictures, wording.signed_percent(low), wording.signed_percent(high))


_BAR = Markup(
    '<svg class="range s{series}" viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">'
    '<rect class="bar-ci" x="{start}" y="7" width="{width}" height="12"/>'
    '<line class="point" x1="{point}" x2="{point}" y1="4" y2="22" vector-effect="non-scaling-stroke"/>'
    '<line class="zero" x1="{zero}" x2="{zero}" y1="0" y2="26" vector-effect="non-scaling-stroke"/></svg>'
)


@dataclass(frozen=True, slots=True)
class _Scale:
    first: float
    last: float
    bottom: float
    top: float
    heights: Sequence[float]

    @classmethod
    def of(cls, lines: Sequence[Line]) -> _Scale:
        """Room for every lift of the newer half, for the newest bounds, and for zero."""
        seen = [0.0]
        for line in lines:
            seen += [point.lift for point in line.points[len(line.points) // 2 :]]
            seen += [bound for bound in (line.points[-1].low, line.points[-1].high) if bound is not None]
        low, high = min(seen), max(seen)
        step = step_of(max(high - low, LEAST))
        bottom, top = math.floor(low / step - 0.25) * step, math.ceil(high / step + 0.25) * step
        heights = [number * step for number in range(round(bottom / step), round(top / step) + 1)]
        times = [point.at for line in lines for point in line.points]
        return cls(min(times), max(times), bottom, top, heights[1:-1] or heights)

    def x(self, at: float) -> float:
        return round(WIDTH * (at - self.first) / ((self.last - self.first) or 1.0), 2)

    def y(self, lift: float) -> float:
        share = (self.top - lift) / (self.top - self.bottom)
        return round(HEIGHT * min(FAR, max(1 - FAR, share)), 2)

    def moments(self) -> list[tuple[float, str, str]]:
        """Place in per cent, words, and how they are aligned."""
        places = ((0.0, self.first, "start"), (100.0, self.last, "end"))
        return [(place, wording.clock(at), anchor) for place, at, anchor in places]


def step_of(span: float) -> float:
    """A round number that fits about four times into the span."""
    power = float(10 ** math.floor(math.log10(span / 4)))
    return next(power * step for step in STEPS if power * step >= span / 4)


def _line(line: Line, scale: _Scale, band: bool) -> Markup:
    bounded = [(point.at, point.low, point.high) for point in line.points if point.low is not None]
    low = [(at, bound) for at, bound, _ in bounded if bound is not None]
    high = [(at, bound) for at, _, bound in bounded if bound is not None]
    shape = Markup("")
    if band and bounded:
        shape += _path("band", line.series, [*high, *reversed(low)], scale, "Z")
    elif bounded:
        shape += _path("edge", line.series, high, scale) + _path("edge", line.series, low, scale)
    return shape + _path("line", line.series, [(point.at, point.lift) for point in line.points], scale)


def _path(kind: str, series: int, points: Sequence[tuple[float, float]], scale: _Scale, end: str = "") -> Markup:
    places = "L".join(f"{scale.x(at)} {scale.y(lift)}" for at, lift in points)
    return Markup('<path class="{} s{}" d="M{}{}"/>').format(kind, series, places, end)
