"""Events that a learner emits: declared like a storage, a topic that follows from what was folded."""

from __future__ import annotations

import copy
from typing import Self

import polars as pl

from learners.errors import EmitRefused
from learners.outbox import Outbox, Outgoing
from schemas import Event, EventType, MalformedEvent
from streams import Batch, headers_in, without_source

LARGEST = 1_000_000
"""Bytes of key and value of an emitted event: a little less than a topic takes unless it is told otherwise."""


class Emit:
    """An emitted topic as it is declared. Each unit works on a copy that is bound to its own outbox.

    What is emitted becomes readable a little before the rows that are committed with it. After a crash it is emitted
    again; a learner that reads the topic drops the repeats.
    """

    def __init__(self, event_type: EventType) -> None:
        self.event_type = event_type
        self._outbox: Outbox | None = None

    @property
    def topic(self) -> str:
        """Where its events go."""
        return self.event_type.topic

    def bind(self, outbox: Outbox) -> Self:
        """A copy that collects what is emitted there."""
        bound = copy.copy(self)
        bound._outbox = outbox
        return bound

    def emit(self, frame: pl.DataFrame, at: str = "offset") -> None:
        """Emit one event for each row. May be called several times for one batch.

        Args:
            frame: has a column for each field of the event type. What a row says must follow from the event that it is
                emitted for, and from owned rows: not from where the batch ends.
            at: the column with the offset of that event, as `batch.with_offsets()` gives it.

        Raises:
            EmitRefused: a column is missing, a value does not fit, or an offset is not that of an event being folded.
        """
        names = list(self.event_type.frame_schema)
        missing = [name for name in (*names, at) if name not in frame.columns]
        if missing:
            raise EmitRefused(
                f"What is emitted to {self.topic} lacks {', '.join(map(repr, missing))}; it has "
                f"{', '.join(frame.columns)}. The offsets come from `batch.with_offsets()`."
            )
        if frame[at].null_count():
            raise EmitRefused(f"A row that is emitted to {self.topic} says in {at!r} for no event that it is.")
        for offset, row in zip(frame[at], frame.select(names).iter_rows(named=True), strict=True):
            self._emit(row, int(offset))

    def emit_one(self, event: Event, at: int | None = None) -> None:
        """Emit one event.

        Args:
            at: the offset of the event that it is emitted for; left out by a learner that learns event by event.

        Raises:
            EmitRefused: a value does not fit, or it is not said for which event it is emitted.
        """
        if not isinstance(event, self.event_type.python or Event):
            raise EmitRefused(f"{type(event).__name__} is no event of {self.topic}.")
        offset = self._bound.at if at is None else at
        if offset is None:
            raise EmitRefused(
                f"Say for which event {type(event).__name__} is emitted, by its offset: `emit_one(event, at=offset)`."
            )
        self._emit(event.to_dict(), offset)

    def pass_on(self, batch: Batch) -> None:
        """Emit the batch's own events, as they are, under the key of this topic.

        Raises:
            EmitRefused: an event has no such key.
        """
        key, outbox = self.event_type.key, self._bound
        keys = [None] * batch.rows if key is None else batch.frame[key]
        for offset, value, message in zip(batch.offsets.tolist(), keys, batch.messages, strict=True):
            name = None if key is None else self.event_type.key_of({key: value})
            body, at = message.value() or b"", message.timestamp()[1]
            number = outbox.number(self.topic, offset)
            headers = tuple(without_source(headers_in(message)))
            outbox.add(Outgoing(self.event_type, name, body, offset, number, True, at if at > 0 else None, headers))

    def _emit(self, values: dict[str, object], offset: int) -> None:
        try:
            key, body = self.event_type.key_of(values), self.event_type.writer.write(values, self.topic)
        except MalformedEvent as error:
            raise EmitRefused(f"An event that is emitted to {self.topic} is refused: {error}") from error
        if len(body) + len(key or b"") > LARGEST:
            raise EmitRefused(f"An event that is emitted to {self.topic} is larger than {LARGEST:,} bytes.")
        self._bound.add(Outgoing(self.event_type, key, body, offset, self._bound.number(self.topic, offset)))

    @property
    def _bound(self) -> Outbox:
        if self._outbox is None:
            raise EmitRefused(f"{self.topic} is a declaration; emit to it in `learn`, through `self`.")
        return self._outbox


def emit(event: type[Event] | EventType) -> Emit:
    """Declare, as a class attribute of a learner, the topic that it emits to.

    Args:
        event: the class of its events, which says topic and key: `sessions = mr.emit(Session)`.
    """
    return Emit(event if isinstance(event, EventType) else event.event_type)
