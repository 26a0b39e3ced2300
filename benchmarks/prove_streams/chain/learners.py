"""The first reads back what it has counted, and says it to the item's partition, where the second counts."""

from __future__ import annotations

import millrace as mr

from .events import Click, Visit


class Visitor(mr.Record):
    """How many clicks a visitor had."""

    clicks: int


class Visits(mr.EventLearner[Click]):
    """The first of the chain."""

    clicks = mr.stream("chain_clicks")
    visitors = mr.Records("chain_visitors", Visitor)
    visits = mr.emit(Visit)

    def learn(self, event: Click) -> None:
        known = self.visitors.get(event.user) or Visitor(0)
        self.visitors.put_one(event.user, Visitor(known.clicks + 1))
        self.visits.emit_one(Visit(event.item, event.number, known.clicks, event.at))


class Visited(mr.EventLearner[Visit]):
    """The second: a number of its own for each event that it was told of."""

    visits = mr.stream("chain_visits")
    counts = mr.Counters("chain_visited")

    def learn(self, event: Visit) -> None:
        self.counts.add_one(event.item, f"{event.number}/{event.nth}")
