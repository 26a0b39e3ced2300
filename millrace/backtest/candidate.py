"""What is tried in a backtest, and what came of it: plain values that go to another process, and to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from millrace.backtest.events import Extent


@dataclass(frozen=True)
class Trial:
    """One pass over the events.

    Attributes:
        source: see `events.read_events`.
        learner: whose predictions are judged; None = the product's implementations are asked its question.
        constants: of the product, as they are set.
    """

    folder: Path
    source: str
    extent: Extent
    learner: str | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For another process, or a file."""
        found = asdict(self) | {"folder": str(self.folder)}
        for name in ("since", "until"):
            moment = getattr(self.extent, name)
            found["extent"][name] = None if moment is None else moment.isoformat()
        return found

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Trial:
        """What `to_json` gave."""
        limit, since, until = (value["extent"][name] for name in ("limit", "since", "until"))
        extent = Extent(limit, since and datetime.fromisoformat(since), until and datetime.fromisoformat(until))
        return cls(**{**value, "folder": Path(value["folder"]), "extent": extent})


@dataclass(frozen=True)
class Candidate:
    """How good one learner, or one implementation, was.

    Attributes:
        measure: what the curve shows, and candidates are ordered by; the higher the better where `more`.
        figures: by measure; empty where the learner declares nothing to be judged by.
        curve: predictions so far, and the measure over the last of them.
        events: that were folded, in so many seconds.
        rows: by storage, what is in it at the end.
    """

    name: str
    constants: Mapping[str, Any]
    measure: str
    more: bool
    figures: Mapping[str, float]
    curve: Sequence[tuple[int, float]]
    predictions: int
    events: int
    seconds: float
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name, and which constants it has."""
        return " ".join([self.name, *(f"{name}={value}" for name, value in self.constants.items())])

    @property
    def rank(self) -> float:
        """Candidates in this order are the best first."""
        found = self.figures.get(self.measure, float("nan"))
        return float("inf") if found != found else -found if self.more else found
