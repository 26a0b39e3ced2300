"""What one poll found on one partition: the events that could be decoded, and those that could not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter

import numpy as np
import polars as pl
from confluent_kafka import Message
from numpy.typing import NDArray

from schemas import BadPayload, Codec, Decoded, EventType
from streams.batch import Batch
from streams.held import Stretch
from streams.logged import logged
from streams.rejected import Rejected
from streams.sources import is_emitted, sources_of

_MILLISECONDS = itemgetter(1)
AHEAD_MS = 86_400_000
"""So much may an event's own time lie after the log's: clocks differ, and some write local times as UTC."""
_AHEAD = "The time in {0!r} lies more than a day after the time at which the log took the event."


@dataclass(frozen=True, eq=False)
class Fetched:
    """Decoded and refused events of one stretch of one partition.

    Attributes:
        batch: the good events; its range covers the refused ones too.
        rejected: the refused ones, in log order. They belong in the dead letters before a position passes them.
        messages: what the rows of `batch` were decoded from.
    """

    batch: Batch
    rejected: tuple[Rejected, ...] = ()
    messages: Sequence[Message] = field(default=(), repr=False)

    @cached_property
    def timestamps(self) -> NDArray[np.int64]:
        """The log's time of each row, in milliseconds since 1970. Worked out when asked for: it costs 80 ns a row."""
        return np.fromiter(map(_MILLISECONDS, map(Message.timestamp, self.messages)), np.int64, len(self.messages))

    def until(self, position: int) -> Fetched:
        """The part before `position`; itself if all of it is."""
        if position >= self.batch.next:
            return self
        batch = self.batch.until(position)
        rejected = tuple(item for item in self.rejected if item.offset < position)
        return Fetched(batch, rejected, self.messages[: batch.rows])

    def refused(self, events: Sequence[tuple[int, str, str]]) -> list[Rejected]:
        """Good events of the batch that a reader refuses: by their offset, with the kind of error and the reason."""
        rows = np.searchsorted(self.batch.offsets, [offset for offset, _, _ in events])
        return [
            _rejected(self.messages[row], BadPayload(row, error, reason))
            for row, (_, error, reason) in zip(rows.tolist(), events, strict=True)
        ]


def decode(
    first: int | None,
    stretch: Stretch,
    codec: Codec,
    event_type: EventType,
    emitted: bool = False,
    raw: bool = False,
) -> Fetched:
    """Decode messages of one partition; see `decode_together`."""
    [found] = decode_together([(first, stretch)], codec, event_type, emitted, raw)
    return found


def decode_together(
    stretches: Sequence[tuple[int | None, Stretch]],
    codec: Codec,
    event_type: EventType,
    emitted: bool = False,
    raw: bool = False,
) -> list[Fetched]:
    """Decode messages of several partitions of one topic, in their order. At once, as each call of a decoder costs as
    much as a thousand events do.

    Args:
        stretches: the position before each, None at the beginning of the log; then at least one message.
        emitted: learners emit to this topic, so each message is looked at for its source; of other topics the first is.
        raw: the batch brings its messages.

    Raises:
        RegistryUnavailable: a writer's schema could not be looked up; nothing was decoded.
    """
    payloads = [value for _, stretch in stretches for value in map(Message.value, stretch.messages)]
    decoded = codec.decode_batch(payloads, event_type)
    sizes = [len(stretch.messages) for _, stretch in stretches]
    return [
        _fetched(first, stretch, part, event_type, emitted, raw)
        for (first, stretch), part in zip(stretches, _parts(decoded, sizes), strict=True)
    ]


def _parts(decoded: Decoded, sizes: Sequence[int]) -> Iterator[Decoded]:
    """What was decoded of so many payloads each."""
    if len(sizes) == 1:
        yield decoded
        return
    start = 0
    for size in sizes:
        stop = start + size
        low, high = np.searchsorted(decoded.good, (start, stop)).tolist()
        bad = tuple(replace(one, index=one.index - start) for one in decoded.bad if start <= one.index < stop)
        yield Decoded(decoded.frame[low:high], decoded.good[low:high] - start, bad)
        start = stop


def _fetched(
    first: int | None, stretch: Stretch, decoded: Decoded, event_type: EventType, emitted: bool, raw: bool
) -> Fetched:
    messages, offsets = stretch
    decoded = _without_future(decoded, messages, event_type)
    rejected = tuple(_rejected(messages[bad.index], bad) for bad in decoded.bad)
    first, following = int(offsets[0]) if first is None else first, int(offsets[-1]) + 1
    if rejected:
        messages, offsets = [messages[row] for row in decoded.good.tolist()], offsets[decoded.good]
    sources = sources_of(messages) if emitted or is_emitted(stretch.messages[0]) else None
    own = messages if raw else ()
    batch = Batch(event_type.topic, stretch.partition, first, following, decoded.frame, offsets, sources, own)
    return Fetched(batch, rejected, messages)


def _without_future(decoded: Decoded, messages: Sequence[Message], event_type: EventType) -> Decoded:
    """Refuse events that say they happen long after the log took them: one such time would lift every watermark, and
    what decays by event time would never come back from it."""
    name = event_type.time_field
    if name is None or not decoded.frame.height:
        return decoded
    times = decoded.frame[name].dt.timestamp("ms")
    newest, first = times.max(), messages[int(decoded.good[0])].timestamp()[1]
    if not isinstance(newest, int) or newest <= first + AHEAD_MS:  # nearly always: the log's times ascend
        return decoded
    logged = pl.Series([messages[place].timestamp()[1] for place in decoded.good.tolist()])
    late = ((times > logged + AHEAD_MS) & (logged >= 0)).fill_null(False)
    bad = [BadPayload(int(place), "MalformedEvent", _AHEAD.format(name)) for place in decoded.good[late.to_numpy()]]
    kept = decoded.good[~late.to_numpy()]
    return Decoded(decoded.frame.filter(~late), kept, tuple(sorted([*decoded.bad, *bad], key=lambda one: one.index)))


def _rejected(message: Message, bad: BadPayload) -> Rejected:
    event = logged(message)
    return Rejected(
        topic=event.topic,
        partition=event.partition,
        offset=event.offset,
        timestamp_ms=event.timestamp_ms,
        key=event.key,
        value=event.value,
        error=bad.error,
        reason=bad.reason,
        headers=event.headers,
        unreadable=bad.unreadable,
    )
