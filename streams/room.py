"""How many messages fit into so many bytes, judged by those before them. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Message

AROUND = 200
"""Bytes around each value: the message object, its key and its place."""
FIRST = 16_384
"""Bytes that a message is taken to have before any was seen."""


SAMPLE = 4_096
"""Messages that are looked at, at most."""


class Room:
    """Turns a limit in bytes into one in messages.

    Their size differs by topic and changes, so it is led by a cautious estimate: a rise counts at once, a fall by half
    each time.

    Args:
        size: bytes that may be taken at once.
    """

    def __init__(self, size: int) -> None:
        self._size, self._each = size, float(FIRST)

    def messages(self, limit: int) -> int:
        """How many may be taken now, at most `limit`; at least one."""
        return max(1, min(limit, int(self._size / self._each)))

    def took(self, messages: Sequence[Message]) -> None:
        """Learn from what was taken."""
        if messages:
            some = messages[:: 1 + len(messages) // SAMPLE]  # of many a few say it, spread over all of them
            each = sum(map(len, some)) / len(some) + AROUND
            self._each = max(each, (self._each + each) / 2)
