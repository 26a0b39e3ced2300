"""Puts dead letters back to where they were refused: the original bytes, key and headers, each letter once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from streams.dead_letters.letter import Letter
from streams.dead_letters.reader import LetterReader
from streams.dead_letters.replays import Back, Replays
from streams.dead_letters.selection import Selection
from streams.deliveries import Deliveries
from streams.errors import DeliveryFailed, StreamError
from streams.producer import BY_KEY, Producer
from streams.rejected import LATE
from streams.sources import without_source

AT_ONCE = 500
"""Letters that are claimed, sent and settled together: so many may be unsure when the process is killed."""
LARGEST = 16_000_000
"""Bytes of letters that are in memory at once, but for the last."""
Seen = Callable[[int, int], None]
"""Hears how many letters were looked at, and of how many."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be put back, and where to.

    Attributes:
        to: another topic than the one that they were refused from.
        again: also what was put back there before.
        unsure: also what a replay that was killed may or may not have put back.
        limit: so many letters at most.
    """

    topic: str
    selection: Selection = field(default_factory=Selection)
    to: str | None = None
    again: bool = False
    unsure: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the letters that were meant.

    Attributes:
        sent: put back; in a dry run those that would be.
        before: left out, as they were put back before.
        unsure: left out, as a replay that was killed may have put them back.
        never_logged: left out: lines of the HTTP intake, which never were in the log and are no Avro.
        late: left out: events that came too late for a learner. The log has them, so that whoever learned them would
            count them twice, and they would be late again; another topic takes them.
        failed: not acknowledged by Kafka.
        left: over the limit.
        problem: why some have failed; empty where none has.
    """

    sent: int = 0
    before: int = 0
    unsure: int = 0
    never_logged: int = 0
    late: int = 0
    failed: int = 0
    left: int = 0
    problem: str = ""


class Replaying:
    """Puts letters back. Blocks.

    Args:
        producer: asked for when there is something to send.
    """

    def __init__(self, reader: LetterReader, producer: Callable[[], Producer], replays: Replays) -> None:
        self._reader, self._producer, self._replays = reader, producer, replays

    def replay(self, wish: Wish, by: str, *, dry_run: bool = False, seen: Seen = lambda done, of: None) -> Replayed:
        """Put back the letters that a wish means, oldest first.

        A letter is put back to a topic at most once, unless the wish says otherwise: it is claimed before it is sent.
        What never left is free again; what Kafka did not acknowledge stays `unsure`.

        Args:
            dry_run: only say what would be done.

        Raises:
            TopicMissing: there is no such topic to put them back to.
            KafkaUnavailable, StreamError: Kafka does not answer; what was put back is remembered.
        """
        low, high = self._reader.ends(wish.topic)
        if low == high:
            return Replayed()
        back, partitions = self._back(wish)
        found = Replayed()
        meant = self._meant(wish, lambda number: seen(number + 1 - low, high - low))
        known = self._replays.known(back)
        for letters in _together(meant):
            asked = [letter for letter in letters if letter.place is not None or wish.to is not None]
            found = replace(found, never_logged=found.never_logged + len(letters) - len(asked))
            late = {letter.number for letter in asked if letter.event.error == LATE and wish.to in (None, wish.topic)}
            asked, found = (
                [item for item in asked if item.number not in late],
                replace(found, late=found.late + len(late)),
            )
            sent = frozenset() if wish.again else known.sent
            unsure = frozenset() if wish.unsure else known.unsure
            fresh = [letter for letter in asked if letter.number not in sent | unsure]
            before = sum(letter.number in sent for letter in asked)
            found = replace(found, before=found.before + before)
            found = replace(found, unsure=found.unsure + len(asked) - len(fresh) - before)
            if wish.limit is not None and found.sent + len(fresh) > wish.limit:
                room = max(0, wish.limit - found.sent)
                found, fresh = replace(found, left=found.left + len(fresh) - room), fresh[:room]
            if dry_run:
                found = replace(found, sent=found.sent + len(fresh))
            elif fresh:
                found = self._put_back(fresh, back, partitions, wish, by, found)
            if found.failed:
                break
        return found

    def _back(self, wish: Wish) -> tuple[Back, int]:
        """Where they go, and how many partitions that has."""
        to = wish.to or wish.topic
        return Back(wish.topic, self._reader.identity(wish.topic), to), self._reader.partitions(to)

    def _meant(self, wish: Wish, seen: Callable[[int], None]) -> Iterator[Letter]:
        for letter in self._reader.read(wish.topic):
            if wish.selection.takes(letter):
                yield letter
            seen(letter.number)

    def _put_back(
        self, letters: list[Letter], back: Back, partitions: int, wish: Wish, by: str, found: Replayed
    ) -> Replayed:
        numbers = [letter.number for letter in letters]
        claim = self._replays.claim(back, numbers, by, again=wish.again, unsure=wish.unsure)
        mine = [] if claim is None else [letter for letter in letters if letter.number in claim.numbers]
        found = replace(found, before=found.before + len(letters) - len(mine))  # somebody else was quicker
        if claim is None:
            return found
        sending = _Sending(self._producer(), back, partitions)
        try:
            sending.send(mine)
        finally:
            self._replays.settle(claim, sending.sent, sending.unsure)
        failed = len(mine) - len(sending.sent)
        return replace(found, sent=found.sent + len(sending.sent), failed=failed, problem=sending.problem)


class _Sending:
    """Letters on their way: `sent` and `unsure` are the numbers of those that are acknowledged, and may be in Kafka."""

    def __init__(self, producer: Producer, back: Back, partitions: int) -> None:
        self._producer, self._back, self._partitions = producer, back, partitions
        self.sent: set[int] = set()
        self.unsure: set[int] = set()
        self.problem = ""

    def send(self, letters: list[Letter]) -> None:
        complete = threading.Event()
        deliveries = Deliveries(len(letters), complete.set)
        queued = 0
        try:
            for index, letter in enumerate(letters):
                self._queue(letter, deliveries, index)
                self.unsure.add(letter.number)
                queued += 1
        except StreamError as error:  # this one and those after it never were on their way
            self.problem = str(error)
            for index in range(queued, len(letters)):
                deliveries.acknowledged(index)(error, -1, -1)
        complete.wait()  # each delivery succeeds or fails within delivery.timeout.ms
        self.sent = {
            letter.number for letter, (_, offset) in zip(letters, deliveries.positions, strict=True) if offset >= 0
        }
        self.unsure -= self.sent
        try:
            deliveries.check()
        except DeliveryFailed as error:
            self.problem = self.problem or str(error)

    def _queue(self, letter: Letter, deliveries: Deliveries, index: int) -> None:
        event, to = letter.event, self._back.to
        same = to == event.topic and 0 <= event.partition < self._partitions
        self._producer.send_bytes(
            to,
            event.key,
            event.value,
            without_source(event.headers),  # it is no repeat of the one that was refused
            on_delivery=deliveries.acknowledged(index),
            partition=event.partition if same else BY_KEY,
        )


def _together(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Letters in lists of at most `AT_ONCE`, and not much more than `LARGEST` bytes."""
    left = iter(letters)
    while True:
        found: list[Letter] = []
        size = 0
        for letter in islice(left, AT_ONCE):
            found.append(letter)
            size += len(letter.event.value or b"")
            if size > LARGEST:
                break
        if not found:
            return
        yield found
