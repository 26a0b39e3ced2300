"""The palette keeps its promise: text 4.5:1 on every surface, controls and chart lines 3:1, in both themes (WCAG 2)."""

import re
from pathlib import Path

import pytest

import serving.console

TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)",
        (Path(serving.console.__file__).parent / "static" / "tokens.css").read_text("utf-8"),
    )
}
SURFACES = ("bg", "surface", "sunken")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


PAIRS = [
    *((text, surface, 4.5) for text in ("text", "muted", "accent", "good", "warn", "bad") for surface in SURFACES),
    *((state, f"{state}-soft", 4.5) for state in ("good", "warn", "bad", "accent")),
    *(("text", f"{state}-soft", 4.5) for state in ("good", "warn", "bad", "accent")),
    *(("on-accent", state, 4.5) for state in ("accent", "bad")),
    *(("control", surface, 3.0) for surface in ("bg", "surface")),
    *((f"series-{number}", "surface", 3.0) for number in (1, 2, 3)),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_a_pair_of_colours_can_be_told_apart(front: str, back: str, least: float, theme: int) -> None:
    assert contrast(TOKENS[front][theme], TOKENS[back][theme]) >= least
