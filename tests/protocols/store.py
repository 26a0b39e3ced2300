"""What a storage keeps of one unit, and its answer to a claim, a read and a commit: each one atomic step.

Events are numbered as in the log. A row holds the events that it has seen, in order, and who folded each: so it shows
an event that is lost, doubled or out of order, and rows of one unit that tell of different histories. A fold ought to
be deterministic, and then it would not matter who folded; but a zombie may run the code of yesterday.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

Row = tuple[tuple[int, int], ...]
"""Pairs of an event and the token of who folded it."""


class Outcome(Enum):
    """As in `storage.unit`."""

    OK = "OK"
    ALREADY = "ALREADY"
    FENCED = "FENCED"
    GAP = "GAP"


class Rules(NamedTuple):
    """What a storage checks; a model with a mistake leaves one out."""

    token: bool = True
    """The owner's random token is checked, not only the epoch."""
    equality: bool = True
    """`next` must be what the committer expects, not only smaller than what it commits."""
    inside: bool = True
    """The writes are inside the check, not beside it."""
    epoch: bool = True
    """The fence is checked at all."""


ALL = Rules()


class Commit(NamedTuple):
    """A request; `copy` tells a resend from the first."""

    epoch: int
    owner: int
    expected: int
    new: int
    put: Row
    adds: Row
    copy: int = 0


class Store(NamedTuple):
    """Fence and rows of a unit."""

    epoch: int = 0
    owner: int = 0
    next: int = 0
    put: Row = ()
    """A row that the fold reads back and replaces."""
    added: Row = ()
    """A row that is only added to."""

    def claimed(self, owner: int) -> Store:
        """After a claim."""
        return self._replace(epoch=self.epoch + 1, owner=owner)

    def owned(self, epoch: int, owner: int, rules: Rules = ALL) -> bool:
        """Whether this claim is the newest."""
        return not rules.epoch or (self.epoch == epoch and (self.owner == owner or not rules.token))

    def outcome(self, commit: Commit, rules: Rules = ALL) -> Outcome:
        """The answer to a commit."""
        if not self.owned(commit.epoch, commit.owner, rules):
            return Outcome.FENCED
        if self.next == commit.new or (not rules.equality and self.next > commit.new):
            return Outcome.ALREADY
        return Outcome.OK if self.next == commit.expected or not rules.equality else Outcome.GAP

    def after(self, commit: Commit, rules: Rules = ALL) -> Store:
        """Rows and position after a commit, whatever its outcome."""
        good = self.outcome(commit, rules) is Outcome.OK
        found = self
        if good or not rules.inside:
            found = found._replace(put=commit.put, added=self.added + commit.adds)
        return found._replace(next=commit.new) if good else found

    def deaf(self, commit: Commit) -> bool:
        """Whether it will never apply this, late as it may arrive, because epochs and positions only grow."""
        return commit.owner != self.owner or commit.expected < self.next

    def wrong(self, one_history: bool = True) -> str | None:
        """The promise: the rows are the fold of `log[:next]`, and, for `one_history`, of the same one."""
        fold = tuple(range(self.next))
        for name, row in (("put", self.put), ("added", self.added)):
            events = tuple(event for event, _ in row)
            if events != fold:
                return f"the row that is {name} has seen the events {events}; the fold of log[:{self.next}] is {fold}"
        if one_history and self.put != self.added:
            return f"the rows of one unit tell of different histories (event, folded by): {self.put}, {self.added}"
        return None


def folded(start: int, end: int, owner: int) -> Row:
    """The events of `log[start:end]`, as this owner folds them."""
    return tuple((event, owner) for event in range(start, end))
