"""What to do next, decided without I/O: after a commit, after a failure, and how much to fold at once.

The rules are those of the design's *Guarantees*; the worker and its units only carry them out. Everything here is a
pure function of its arguments, so that each rule has a test that needs no server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from learners.errors import FoldFailed
from storage.errors import Fenced, Gap, StorageUnavailable, SuspectGeneration, UnknownOutcome
from storage.unit import Outcome
from streams import StreamError

ROWS_PER_COMMIT = 2_000
"""A commit is cut at the first event at which it holds this many rows, as `Writes.rows` counts them, so that readers
never wait long for it; where they do not wait, it may hold more: see `storage.kinds`."""

BYTES_PER_COMMIT, BYTES_PER_ROW = 4 << 20, 400
"""Rows that are larger, on average, count as more: what is not committed yet takes memory, and no store takes any
number of bytes at once. A commit may have the first, or so many for each row that it may hold."""

QUEUED = 8
"""So many commits of a unit are under way or wait for their turn, so that the store works while events are decoded."""

RESENDS = 5
GAPS_IN_A_ROW = 3
LARGEST_FOLD, LARGEST_BULK = 16_384, 131_072
"""Events that are folded at once; where a commit may be larger than usual, in proportion, up to the second."""
SMALLEST_LIMIT, LARGEST_LIMIT = 256, 20_000
SLOW_PASS, QUICK_PASS = 0.200, 0.050
BUSY_MACHINE = 4
"""A pass may take so many times as long as the CPU that it may take."""
SLOW_COMMIT = 0.200
"""Seconds for which folding waits for a commit; who is slower is read for no further until it has arrived."""


class Then(Enum):
    """What a unit does after a commit or a failure."""

    ADVANCE = "the position is committed; go on"
    RESEND = "send the identical commit again"
    RECLAIM = "drop memory, pending writes and fetched messages; poll; claim again"
    RETRY = "the same as RECLAIM, for a learner that raised: later each time, and in smaller folds"
    NARROW = "the same as RETRY, but at once, until it is known which event it is"
    GIVE_UP = "fold no more: another has the unit, or who has asked for it is told for which event its learner raised"
    STOP = "fold no more; a person has to look"


@dataclass(frozen=True, slots=True)
class Troubles:
    """What went wrong since the unit's last good commit: gaps, folds that raised, times the storage did not answer."""

    gaps: int = 0
    failures: int = 0
    silences: int = 0


CALM = Troubles()


def after_commit(outcome: Outcome | None, resends: int) -> Then:
    """What follows a commit that was sent `resends` times before.

    Args:
        outcome: None = unknown (time-out, broken connection): the commit may or may not have been applied.
    """
    if outcome is None:
        return Then.RESEND if resends < RESENDS else Then.RECLAIM
    return Then.ADVANCE if outcome in (Outcome.OK, Outcome.ALREADY) else Then.RECLAIM


def after_error(error: BaseException, troubles: Troubles, last: FoldSize | None = None) -> tuple[Then, Troubles]:
    """What follows an exception raised while claiming, reading rows back, folding or committing.

    Args:
        last: how much was folded at once, where a unit gives up instead of trying again; None = it tries again.
    """
    if last is not None and isinstance(error, Fenced):
        return Then.GIVE_UP, troubles
    if last is not None and isinstance(error, FoldFailed):
        return (Then.GIVE_UP if last.finds(error) else Then.NARROW), troubles
    if isinstance(error, Gap):
        gaps = troubles.gaps + 1
        return (Then.STOP if gaps >= GAPS_IN_A_ROW else Then.RECLAIM), replace(troubles, gaps=gaps)
    if isinstance(error, Fenced):
        return Then.RECLAIM, troubles
    if isinstance(error, UnknownOutcome | StorageUnavailable | StreamError):
        return Then.RECLAIM, replace(troubles, silences=troubles.silences + 1)
    if isinstance(error, SuspectGeneration):
        return Then.STOP, troubles
    return Then.RETRY, replace(troubles, failures=troubles.failures + 1)


def pause(troubles: Troubles, chance: float) -> float:
    """Seconds to wait before the unit claims again.

    Args:
        chance: a random number in [0, 1), so that two workers do not meet again at the same moment.
    """
    jitter = 0.5 + chance / 2
    if troubles.failures:
        return float(min(0.1 * 2 ** (troubles.failures - 1), 30.0)) * jitter
    if troubles.silences:
        return float(min(0.05 * 2**troubles.silences, 2.0)) * jitter
    return 0.050 * jitter


def resend_pause(resends: int, chance: float) -> float:
    """Seconds to wait before the identical commit is sent again."""
    return 0.01 * float(2**resends) * (0.5 + chance / 2)


def weight(rows: int, size: int, most: int) -> int:
    """How much of a commit that may hold `most` rows so many rows of so many bytes are, in rows."""
    return max(rows, size * most // max(BYTES_PER_COMMIT, most * BYTES_PER_ROW))


def gathering(spent: float, interval: float) -> float:
    """Seconds for which a poll gathers messages after the first: as long as the CPU that the process has spent since
    the last poll began.

    Each of them waits for that; and what a pass costs whatever is in it is shared by the more events the longer it
    is. So a worker that has little to do takes events as they come, and one that has much to do takes many at once.

    Args:
        interval: of commits. It is the longest, and a fifth of it the shortest.
    """
    return min(interval, max(interval / 5, spent))


def outside(position: int | None, low: int, high: int) -> bool:
    """Whether a position lies outside the log [low, high); None, the beginning of the log, never does."""
    return position is not None and not low <= position <= high


def caught_up(ends: Mapping[int, tuple[int, int]], positions: Mapping[int, int | None]) -> bool:
    """Whether a learner's units have folded all that was in the log when they were asked to; readers may have it then.

    Args:
        ends: partition -> (low, high) of its log at that time.
        positions: partition -> committed position; a partition may be missing.
    """
    return all(low == high or (positions.get(partition) or 0) >= high for partition, (low, high) in ends.items())


@dataclass(frozen=True, slots=True)
class FoldSize:
    """How many events the next fold takes, learnt from the folds before it.

    Rows per event differ by learner (one per event, dozens, or nearly none when events share rows), so the size is
    led by a cautious estimate: a rise counts at once, a fall by half each time. Growth is at most fourfold, because
    the first events say little about the next.

    Attributes:
        most: rows that a commit may hold.
    """

    events: int = 32
    rows_per_event: float = 0.0
    most: int = ROWS_PER_COMMIT

    def next(self, pending: int) -> int:
        """Events for the next fold when `pending` rows wait for the commit; 0 = commit those first."""
        if not self.rows_per_event:
            return self.events
        room = int((self.most - pending) / self.rows_per_event)
        whole = int(self.most / self.rows_per_event)
        if pending and room < min(self.events, whole, LARGEST_FOLD) / 4:  # where rows are shared, more events add few
            return 0
        return max(1, min(self.events, room))

    def after(self, events: int, rows: int) -> FoldSize:
        """The size after a fold of `events` that added `rows` rows."""
        seen = rows / events
        estimate = max(seen, (self.rows_per_event + seen) / 2)
        largest = min(self.most * LARGEST_FOLD // ROWS_PER_COMMIT, LARGEST_BULK)
        grown = max(self.events, min(events * 4, largest))
        fits = int(self.most / estimate) if estimate else largest
        return FoldSize(max(1, min(grown, fits)), estimate, self.most)

    def finds(self, error: FoldFailed) -> bool:
        """Whether it is known for which event a learner raised, as folds of this size have no other."""
        return error.next <= error.first + 1 or self.events == 1

    def after_failure(self) -> FoldSize:
        """Smaller folds find the failing event, and let the events before it be committed."""
        return replace(self, events=max(1, self.events // 8))


def next_limit(limit: int, busy: float, passed: float) -> int:
    """How many messages the next poll may bring, after a pass over `limit` of them.

    A pass that is too long delays stops and other partitions; one that is too short wastes the columns. So a pass that
    took long because the machine is busy with others is forgiven, up to a point.

    Args:
        busy: seconds of CPU that the pass took.
        passed: seconds that it took.
    """
    seconds = max(busy, passed / BUSY_MACHINE)
    if seconds > SLOW_PASS:
        return max(SMALLEST_LIMIT, limit // 2)
    if seconds < QUICK_PASS:
        return min(LARGEST_LIMIT, limit * 2)
    return limit
