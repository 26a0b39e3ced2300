"""Where jobs, the archives that they wait for and the storages that they load stand, and the lines between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP, ROW = 220, 40, 60, 56
"""Of a box, between two columns, and from one row to the next; in pixels."""
LONGEST = 26
"""Characters of a name that fit into a box."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something in the graph: its name, what is drawn of it, its kind (archive, job, storage), and its place."""

    name: str
    text: str
    kind: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes, and the paths of the lines between them, as one SVG."""

    boxes: Sequence[Box]
    paths: Sequence[str]
    width: int
    height: int


def drawn(columns: Sequence[Sequence[str]], edges: Sequence[Sequence[str]], jobs: Sequence[str]) -> Graph:
    """Place everything: each column from the top, lines from the right of one box to the left of another."""
    boxes: dict[str, Box] = {}
    for column, names in enumerate(columns):
        for row, name in enumerate(names):
            kind = "job" if name in jobs else "storage" if "/" in name else "archive"
            boxes[name] = Box(name, _short(name), kind, column * (WIDTH + GAP) + 1, row * ROW + 1)
    paths = [_path(boxes, start, end) for start, end in edges if start in boxes and end in boxes]
    rows = max(map(len, columns), default=0)
    return Graph([*boxes.values()], paths, max(0, len(columns) * (WIDTH + GAP) - GAP) + 2, rows * ROW)


def _path(boxes: Mapping[str, Box], start: str, end: str) -> str:
    left, top = boxes[start].x + WIDTH, boxes[start].y + HEIGHT // 2
    right, bottom = boxes[end].x, boxes[end].y + HEIGHT // 2
    middle = right - GAP // 2
    return f"M{left} {top}H{middle - GAP // 2}C{middle} {top} {middle} {bottom} {right} {bottom}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 - 1]}…{name[-LONGEST // 2 :]}"
