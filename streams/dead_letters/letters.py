"""The dead letters of a platform, as the command line and the console see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.codec import Codec
from schemas.errors import MillraceError
from schemas.table import Table
from streams.dead_letters.groups import Group, groups
from streams.dead_letters.letter import Letter
from streams.dead_letters.reader import LetterReader
from streams.dead_letters.replaying import Replayed, Replaying, Seen, Wish
from streams.dead_letters.replays import Back, Known, Replays
from streams.dead_letters.selection import Selection
from streams.errors import StreamError
from streams.kafka import Kafka
from streams.producer import Producer


@dataclass(frozen=True, slots=True)
class Counted:
    """Letters by topic and reason; `skipped` are older ones that were not looked at."""

    groups: Sequence[Group]
    skipped: int = 0


class Letters:
    """Lists, shows and puts back dead letters. Its calls block, and raise KafkaUnavailable where Kafka is away.

    Args:
        codec: tells what the bytes of a letter mean.
        producer: asked for when there is something to put back.
        table: where it is remembered what was put back.
    """

    def __init__(self, kafka: Kafka, codec: Codec, producer: Callable[[], Producer], table: Table) -> None:
        self._codec = codec
        self._reader, self._replays = LetterReader(kafka), Replays(table)
        self._replaying = Replaying(self._reader, producer, self._replays)

    def counted(
        self, topic: str | None = None, selection: Selection | None = None, newest: int | None = None
    ) -> Counted:
        """How many letters were refused for which reason.

        Args:
            topic: of this one alone; None = of all.
            newest: look at so many of each topic only.

        Raises:
            StreamError: there is no such topic, and there are no dead letters of it.
        """
        if topic is not None:
            self._reader.must_exist(topic)
        meant = selection or Selection()
        found: list[Group] = []
        skipped = 0
        for name in self._reader.topics() if topic is None else [topic]:
            low, high = self._reader.ends(name)
            if low < high:
                letters = self._reader.read(name, newest=newest)
                found += groups(name, filter(meant.takes, letters), self.known(name))
                skipped += max(0, high - low - newest) if newest is not None else 0
        return Counted(sorted(found, key=lambda group: -group.last_ms), skipped)

    def known(self, topic: str) -> Known:
        """Which letters of a topic were put back to it."""
        return self._replays.known(Back(topic, self.identity(topic), topic))

    def identity(self, topic: str) -> str:
        """What tells the dead letters of a topic from those of the same name that were deleted before."""
        return self._reader.identity(topic)

    def find(self, topic: str, selection: Selection) -> Letter:
        """The newest letter that is meant.

        Raises:
            StreamError: there is none.
        """
        found = None
        first = min((first for first, _ in selection.numbers), default=0) if not selection.places else 0
        for letter in self._reader.read(topic, first):
            if selection.takes(letter):
                found = letter
                if selection.numbers and not selection.places and letter.number >= max(n for _, n in selection.numbers):
                    break
        if found is None:
            raise StreamError(
                f"There is no such dead letter of {topic}; see which there are: millrace dead-letters list."
            )
        return found

    def replay(self, wish: Wish, by: str, *, dry_run: bool = False, seen: Seen = lambda done, of: None) -> Replayed:
        """Put letters back; see `Replaying.replay`."""
        return self._replaying.replay(wish, by, dry_run=dry_run, seen=seen)

    def decoded(self, letter: Letter) -> tuple[Any, str]:
        """The value by the schema that it was written with, and else why there is none. A line of the HTTP intake,
        which never was encoded, is its text."""
        payload = letter.event.value
        if payload is None:
            return None, "It has no value: a tombstone."
        if letter.place is None:
            return payload.decode("utf-8", "backslashreplace"), ""
        try:
            return self._codec.decode_as_written(payload), ""
        except MillraceError as error:
            return None, str(error)
