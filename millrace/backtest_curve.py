"""A learning curve as SVG: the hit rate over the last predictions, as more is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 170, 40, 40
COLOURS = ("#1f6feb", "#c2410c", "#15803d", "#7c3aed", "#b91c1c", "#0e7490")


def curve(title: str, points: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Draw one line per implementation.

    Args:
        points: name -> (predictions so far, hit rate), in order; all of the same length.
    """
    last = max((line[-1][0] for line in points.values() if line), default=1)
    highest = max((rate for line in points.values() for _, rate in line), default=0.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{escape(title)}</text>',
        *_grid(last, highest),
    ]
    labels = _apart({name: _y(line[-1][1], highest) for name, line in points.items() if line})
    for place, (name, line) in enumerate(points.items()):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{_x(at, last):.1f},{_y(rate, highest):.1f}" for at, rate in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if line:
            text = f"{escape(name)} {line[-1][1]:.3f}"
            parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{labels[name] + 4:.1f}" fill="{colour}">{text}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _grid(last: int, highest: float) -> list[str]:
    parts = []
    for step in range(5):
        rate = highest * step / 4
        y = _y(rate, highest)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{rate:.2f}</text>')
        at = last * step // 4
        parts.append(f'<text x="{_x(at, last):.1f}" y="{HEIGHT - 16}" text-anchor="middle" fill="#555">{at:,}</text>')
    return parts


def _apart(heights: Mapping[str, float], gap: float = 15.0) -> dict[str, float]:
    """Places for labels near these heights that do not lie on one another."""
    placed: dict[str, float] = {}
    above = float("-inf")
    for name, y in sorted(heights.items(), key=lambda item: item[1]):
        above = placed[name] = max(y, above + gap)
    return placed


def _x(at: float, last: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * at / max(last, 1)


def _y(rate: float, highest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate / highest
