"""Jobs as programs, and the console, are told of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from learners.jobs.board import Board


def document(board: Board) -> dict[str, Any]:
    """All jobs of a product, with their runs; times in seconds since 1970."""
    lines = [{**asdict(line), "usual_seconds": line.usual} for line in board.lines]
    return {
        "product": board.product,
        "at": board.at,
        "schedule_seen": board.scheduled,
        "jobs": lines,
        "columns": board.columns,
        "edges": board.edges,
    }
