"""What becomes of events that were refused: dead letters, and units that stand still as there were too many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.dead_letters.letters import Letters
from streams.stops import Stop


@dataclass(frozen=True)
class Refused:
    """What the Streams page looks at and changes. Every call blocks, and raises MillraceError where Kafka is away.

    Attributes:
        standing: the units that stand still.
        go_on: lets a learner go on, on one partition or wherever it stands still (None), for somebody; gives the stops
            that were ended.
    """

    letters: Letters
    standing: Callable[[], Sequence[Stop]]
    go_on: Callable[[str, int | None, str], Sequence[Stop]]
