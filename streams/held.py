"""Messages that were fetched and not yet handed out, by partition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from streams.owner import Partition


class Stretch(NamedTuple):
    """Messages of one partition with their offsets, which ascend."""

    messages: Sequence[Message]
    offsets: NDArray[np.int64]

    @property
    def partition(self) -> int:
        """The number of the partition they are from."""
        return self.messages[0].partition() or 0


class Held:
    """Keeps raw messages of each partition in log order, each once.

    What a consumer fetches goes through here, so that a poll that raises loses nothing: the next one finds it again.

    Args:
        of_one: all messages are of one topic.
    """

    def __init__(self, of_one: bool = False) -> None:
        self._of_one = of_one
        self._stretches: dict[Partition, Stretch] = {}

    def __len__(self) -> int:
        return sum(len(stretch.messages) for stretch in self._stretches.values())

    def add(self, messages: list[Message], positions: Mapping[Partition, int | None]) -> None:
        """Add fetched messages, but for those before their partition's position, repeated, or of no partition here."""
        found: dict[Partition, list[Message]] = {}
        for at, run in runs(messages, self._of_one):
            if at in found:
                found[at].extend(run)
            elif at in positions:
                found[at] = run
        for at, mine in found.items():
            offsets = np.fromiter(map(Message.offset, mine), np.int64, len(mine))
            held = self._stretches.get(at)
            if held is None:
                stretch = after((positions[at] or 0) - 1, mine, offsets)
            else:
                stretch = joined(held, after(int(held.offsets[-1]), mine, offsets))
            if stretch.messages:
                self._stretches[at] = stretch

    def drop(self, partition: Partition) -> None:
        """Forget a partition's messages: it was revoked, or is read from elsewhere."""
        self._stretches.pop(partition, None)

    def items(self) -> list[tuple[Partition, Stretch]]:
        """The partitions that have messages, with these: at least one each."""
        return list(self._stretches.items())

    def clear(self) -> None:
        """Forget all: they were handed out."""
        self._stretches.clear()


def runs(messages: list[Message], of_one: bool = False) -> Iterator[tuple[Partition, list[Message]]]:
    """Cut fetched messages into runs of one partition. All in C: a Python call a message would double the cost.

    Args:
        of_one: they are known to be of one topic.
    """
    if not messages:
        return
    partitions = np.fromiter(map(Message.partition, messages), np.int64, len(messages))
    change = partitions[1:] != partitions[:-1]
    if not of_one and len(set(map(Message.topic, messages))) > 1:
        topics = list(map(Message.topic, messages))
        numbers = {topic: number for number, topic in enumerate(set(topics))}
        numbered = np.fromiter(map(numbers.__getitem__, topics), np.int64, len(topics))
        change |= numbered[1:] != numbered[:-1]
    edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(messages)]
    for start, stop in pairwise(edges):
        topic = messages[start].topic()
        if topic is not None:
            yield (topic, int(partitions[start])), messages[start:stop]


def after(last: int, messages: Sequence[Message], offsets: NDArray[np.int64]) -> Stretch:
    """The messages after offset `last`, each offset once; all of them, without a copy, when that leaves nothing out."""
    if offsets[0] > last and (offsets[1:] > offsets[:-1]).all():
        return Stretch(messages, offsets)
    highest_before = np.maximum.accumulate(np.concatenate(([last], offsets[:-1])))
    kept = offsets > highest_before
    return Stretch([messages[row] for row in np.flatnonzero(kept).tolist()], offsets[kept])


def joined(one: Stretch, other: Stretch) -> Stretch:
    """Two stretches of a partition that follow each other, as one."""
    return Stretch([*one.messages, *other.messages], np.concatenate((one.offsets, other.offsets)))
