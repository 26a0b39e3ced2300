"""What can go wrong between Millrace and Kafka.

MillraceError                   (schemas)
  StreamError                   Kafka refused or failed; the message says what, to which topic, and what to do
    DeliveryFailed              events that Kafka did not acknowledge
    TopicMissing                a topic that does not exist
    PositionOutsideLog          a position that the log does not reach back, or forward, to
    MemberFenced                another consumer runs under the same member name
    KafkaUnavailable            no broker answered in time, or the one that should is stopping
    ArchiveRefused              events that an archive cannot hold
    ArchiveFenced               someone else has archived what a commit would have
    ArchiveBehind               events between an archive and a log that neither has
    ArchiveUnavailable          where an archive is does not answer, or takes nothing
"""

from __future__ import annotations

from schemas.errors import MillraceError


class StreamError(MillraceError):
    """Root of this room's errors."""


class DeliveryFailed(StreamError):
    """Kafka did not acknowledge events; whether it has some of them nevertheless is not known.

    Attributes:
        failed: how many events were not acknowledged.
    """

    def __init__(self, message: str, failed: int = 1) -> None:
        super().__init__(message)
        self.failed = failed


class TopicMissing(StreamError):
    """A topic does not exist; somebody may create it."""

    passes = True

    def __init__(self, topic: str) -> None:
        super().__init__(f"Kafka has no topic {topic!r}; correct its name, or start who makes it.")
        self.topic = topic


class PositionOutsideLog(StreamError):
    """A reader stands at an offset that its partition does not hold (any more, or yet).

    Retention removed what it had not read, or the log was rolled back or made anew. Never answered by starting
    somewhere else on its own: rows would silently miss events, or count them twice.

    Attributes:
        position: the offset the reader stands at.
        low, high: the first offset the partition holds, and the one after its last.
    """

    def __init__(self, topic: str, partition: int, position: int, low: int, high: int) -> None:
        super().__init__(
            f"Position {position} of {topic} partition {partition} is outside its log, which holds [{low}, {high}). "
            "The events between are gone; rebuild in a new generation, from the archive or from what the log holds."
        )
        self.topic, self.partition, self.position, self.low, self.high = topic, partition, position, low, high


class MemberFenced(StreamError):
    """Another consumer joined the group under this member's name; this one can read nothing more."""


class KafkaUnavailable(StreamError):
    """No broker answered in time, or a partition is being taken over. Trying again later may succeed."""

    passes = True


class ArchiveRefused(StreamError):
    """Events cannot be archived as they are; the message says what to change."""


class ArchiveFenced(StreamError):
    """Someone else has archived a partition, or the archive is another one; nothing of this commit is in it."""


class ArchiveBehind(StreamError):
    """There are events that neither an archive nor its log has."""

    def __init__(self, topic: str, partition: int, position: int, low: int, high: int) -> None:
        super().__init__(
            f"{topic} partition {partition} is archived up to {position}, and its log holds [{low}, {high}): neither "
            "has the events between, or the topic was made anew. Read the archive alone (fresh=False), or see "
            "`millrace archive list`."
        )


class ArchiveUnavailable(StreamError):
    """The disk or the object store of an archive does not answer, or is full. Trying again later may succeed."""

    passes = True
