"""An event that could not be decoded, with everything that is known of it."""

from __future__ import annotations

from dataclasses import dataclass

NO_POSITION = -1
LATE = "LateEvent"
"""The kind of error of an event that can be read and is in the log, and came too late for a learner of it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refused event: its bytes, its place in the log, and why.

    Attributes:
        topic: the topic it was sent to.
        partition, offset: its position; -1 both when it never reached the log (refused at the HTTP intake).
        timestamp_ms: the log's time for it, in milliseconds since 1970; -1 if it has none.
        key, value: the original bytes.
        error: the kind of error, an exception's name.
        reason: what is wrong, for a person to read.
        headers: the original headers, in order.
        unreadable: it is a good event of this topic, by a schema that the reader's cannot read.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    error: str
    reason: str
    headers: tuple[tuple[str, bytes | None], ...] = ()
    unreadable: bool = False

    @property
    def late_for(self) -> str | None:
        """The learner that it came too late for, with whose name the reason begins; None = it was refused otherwise."""
        return self.reason.partition(" ")[0] if self.error == LATE else None
