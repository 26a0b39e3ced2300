"""Batch jobs as the console shows them. Who runs them is no matter of this room: they are asked for as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Jobs(Protocol):
    """The jobs of a product. Every call blocks, and raises MillraceError with what to do where it cannot."""

    def board(self) -> Mapping[str, Any]:
        """As `millrace jobs status --output json` says it."""
        ...

    def run(self, job: str) -> None:
        """Begin a run of a job; returns before it ends."""
        ...

    def log(self, run: str) -> str:
        """The end of what a run has printed."""
        ...
