"""Learning curves of candidates, as a picture in a file and as one line of text each."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from millrace.backtest.candidate import Candidate
from schemas.errors import MillraceError

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 24
KINDS = (".png", ".svg", ".pdf")


def must_be_drawable(file: Path) -> None:
    """Raise MillraceError where no such picture can be drawn, before hours are spent on what it is to show."""
    if file.suffix not in KINDS:
        raise MillraceError(f"{file} is no picture that can be drawn; end its name with {', '.join(KINDS)}.")
    _library()


def canvas(*panels: int, figsize: tuple[float, float]) -> tuple[Any, Any]:
    """A figure and its panels, rows and columns of them. Raises MillraceError: the extra `plot` is not installed."""
    _library().use("Agg")
    figure, axes = import_module("matplotlib.pyplot").subplots(*panels, figsize=figsize, layout="constrained")
    return figure, axes


def save(figure: Any, file: Path) -> None:
    """Write and forget it. Raises MillraceError: the file cannot be written."""
    try:
        figure.savefig(file, dpi=140)
    except OSError as error:
        raise MillraceError(f"The picture {file} cannot be written: {error.strerror}.") from error
    finally:
        import_module("matplotlib.pyplot").close(figure)


def draw(file: Path, title: str, candidates: Sequence[Candidate]) -> None:
    """One line for each candidate, the best first, by how many predictions were made.

    Raises:
        MillraceError: the extra `plot` is not installed, or the file cannot be written.
    """
    figure, axes = canvas(figsize=(8, 4.5))
    for item in candidates:
        if item.curve:
            found = item.figures[item.measure]
            axes.plot(*zip(*item.curve, strict=True), label=f"{item.title}  {found:.4f}", linewidth=1.5)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("predictions, each made before its event was learned")
    axes.set_ylabel(candidates[0].measure)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    save(figure, file)


def line(curve: Sequence[tuple[int, float]], low: float, high: float) -> str:
    """A curve as blocks, so high as it is between the two; those of several candidates can be compared."""
    values = [value for _, value in curve]
    if not values:
        return ""
    width = min(WIDTH, len(values))
    means = []
    for place in range(width):
        part = values[place * len(values) // width : (place + 1) * len(values) // width]
        means.append(sum(part) / len(part))
    span = (high - low) or 1.0
    return "".join(BLOCKS[min(7, max(0, int((mean - low) / span * 7.999)))] for mean in means)


def _library() -> Any:
    try:
        return import_module("matplotlib")
    except ModuleNotFoundError as error:
        raise MillraceError("A picture needs the extra `plot`; pip install 'millrace[plot]'.") from error
