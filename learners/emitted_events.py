"""What learners have emitted in a replay: as frames, and as rows that can be compared with another replay's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from learners.lane import Lane
from learners.outbox import Outgoing
from learners.rows import Place
from schemas import EventType
from schemas.columns import frame_of
from schemas.datum import datum_reader


class EmittedEvents:
    """Collects the events of each topic, in the order in which they were emitted."""

    def __init__(self) -> None:
        self._types: dict[str, EventType] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._rows: dict[Place, dict[str, Any]] = {}

    def taken(self, lanes: Iterable[Lane]) -> list[tuple[str, pl.DataFrame]]:
        """Take what these units have emitted since; returns it by topic."""
        found: dict[str, list[dict[str, Any]]] = {}
        for lane in lanes:
            emitted, lane.emitted = lane.emitted, []
            for event in emitted:
                values = self._values(event)
                found.setdefault(event.event_type.topic, []).append(values)
                self._note(lane, event, values)
        for topic, events in found.items():
            self._events.setdefault(topic, []).extend(events)
        return [(topic, self._frame(topic, events)) for topic, events in found.items()]

    def frames(self) -> dict[str, pl.DataFrame]:
        """All events so far, by topic."""
        return {topic: self._frame(topic, events) for topic, events in self._events.items()}

    def rows(self) -> dict[Place, dict[str, Any]]:
        """For each event that was folded what was emitted for it: an emission must follow from that alone."""
        return dict(self._rows)

    def _values(self, event: Outgoing) -> dict[str, Any]:
        kind = self._types.setdefault(event.event_type.topic, event.event_type)
        found: dict[str, Any] = datum_reader(kind.schema, kind.schema).read(event.body)
        return found

    def _note(self, lane: Lane, event: Outgoing, values: dict[str, Any]) -> None:
        learner, topic = lane.declaration.name, event.event_type.topic
        place = f"emitted/{topic}", f"{learner}/{lane.declaration.topic}/{lane.partition}/{event.offset}", None
        self._rows.setdefault(place, {})[str(event.number)] = values

    def _frame(self, topic: str, events: Sequence[dict[str, Any]]) -> pl.DataFrame:
        return frame_of(events, self._types[topic].schema)
