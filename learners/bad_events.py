"""What the bad events of its partition make a unit do: stand still where too many are, or before one of them."""

from __future__ import annotations

from learners.bad_limit import BadLimit, BadShare
from streams import Fetched, Rejected


class BadEvents:
    """Those that one unit has met. No I/O, no clock.

    Attributes:
        barrier: the first event still to be folded that the learner's schema cannot read; nothing is folded beyond it.

    Args:
        limit: how many it takes; None = any number.
    """

    def __init__(self, limit: BadLimit | None) -> None:
        self.barrier: Rejected | None = None
        self._limit = limit
        self._weighed = self._past = 0
        self._share = None if limit is None else BadShare(limit)

    def weigh(self, fetched: Fetched, position: int, now: float) -> str | None:
        """Count the bad ones among these events from a position on, each once; says what is wrong where there are too
        many for too long. `now` is in seconds of a steady clock."""
        batch, first = fetched.batch, max(self._weighed, position)
        if self._share is None or batch.next <= first:
            return None
        self._weighed = batch.next
        bad = [item for item in fetched.rejected if item.offset >= first]
        share = self._share.saw(now, batch.since(first).rows, len(bad))
        if share is None:
            return None
        newest = bad[-1]
        return (
            f"of the last {share.events:,} events of {batch.topic}/{batch.partition} {share.bad:,} could not be "
            f"read ({share.percent:.0f} %; it stops at {self._limit}). The newest, at offset "
            f"{newest.offset}: {newest.error}: {newest.reason[:300]}"
        )

    def bar(self, fetched: Fetched, position: int) -> int:
        """See `Unit.bar`."""
        first = max(self._past, position)
        if self.barrier is None:
            self.barrier = next((item for item in fetched.rejected if item.unreadable and item.offset >= first), None)
        return fetched.batch.next if self.barrier is None else min(self.barrier.offset, fetched.batch.next)

    def go_on(self, past: int | None) -> None:
        """Count anew, from the offset `past` on; what cannot be read before it counts as bad, and bars nothing."""
        self._weighed = self._past = past or 0
        self._share = None if self._limit is None else BadShare(self._limit)
