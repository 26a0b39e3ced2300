"""Results of backtests as the console shows them. Who runs backtests is no matter of this room: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Backtests(Protocol):
    """Those whose results are kept on this machine."""

    def results(self) -> Sequence[Mapping[str, Any]]:
        """The newest first. Blocks while files are read.

        Each has its `name`, `product`, `source` of events, `since` and `until` (ISO 8601, or None), when it `began`
        (seconds since 1970), how many `trials` it has and how many are `done`, and `candidates`, the best first:
        `title`, `measure`, `more` (whether more of it is better), `figures`, `curve` (predictions so far, the measure
        over the last of them), `predictions`, `events`, `seconds`.
        """
        ...
