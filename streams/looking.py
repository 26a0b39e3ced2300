"""Looks for events in the logs, and for what is known of one there: repeats, its dead letter, answers made since."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from schemas import Codec, Decision
from schemas.errors import MillraceError
from streams.dead_letters.dead_letters import SUFFIX
from streams.dead_letters.letter import Letter
from streams.dead_letters.reader import LetterReader
from streams.errors import TopicMissing
from streams.kafka import Kafka
from streams.log_view import Limit, LogView
from streams.logged import Logged, Told, told
from streams.murmur2 import partition_of
from streams.wanted import Wanted

FAR = Limit(20_000, 32_000_000)
"""So far back each topic is searched."""
PATIENCE = 8.0
"""Seconds after which a search ends with what it has found."""
MOST = 20
"""Events that are found at most."""
LETTERS = 10_000
"""Dead letters that are looked through, the newest."""
ANSWERS = Limit(2_000, 8_000_000)


@dataclass(frozen=True, slots=True)
class Search:
    """What was found, the newest first.

    Attributes:
        looked: messages that were looked at.
        complete: whether that was all that these topics hold.
    """

    found: tuple[Told, ...]
    looked: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was given: which endpoint type's, its decision, how long after the event."""

    endpoint: str
    decision: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the logs know of one event.

    Attributes:
        event: None where its log does not hold it.
        letters: of where it was refused; None where that could not be looked up, `unread` says why.
        before, again: positions of its partition with the same id, before and after it.
        answers: what was answered since to whom its key names.
    """

    event: Told | None
    letters: tuple[Letter, ...] | None = ()
    before: tuple[int, ...] = ()
    again: tuple[int, ...] = ()
    answers: tuple[Answer, ...] = ()
    unread: tuple[str, ...] = field(default=())

    @property
    def letter(self) -> Letter | None:
        """One of them."""
        return self.letters[0] if self.letters else None

    def became(self, learner: str, late: int, drops: bool = False) -> str:
        """What became of it for a learner that is past it.

        Args:
            late: how many events of its partition the learner has taken as late, of which this may be one.
            drops: the learner drops repeats.
        """
        if self.letters is None:
            return "passed"
        if any(letter.event.late_for == learner for letter in self.letters):
            return "late, see its dead letter"
        if any(letter.event.late_for is None for letter in self.letters):
            return "refused, see its dead letter"
        if drops and self.before:
            return "dropped as a repeat, if it remembers the id"
        return f"folded, unless it is one of the {late:,} that were late there" if late else "folded"


class Looking:
    """Reads logs for people. Its calls block, and raise KafkaUnavailable where Kafka is away."""

    def __init__(self, kafka: Kafka, codec: Codec) -> None:
        self._kafka, self.codec = kafka, codec

    def view(self) -> LogView:
        """A view that the caller closes."""
        return LogView(self._kafka)

    def search(self, wanted: Wanted, topics: Collection[str]) -> Search:
        """The newest events that are meant, of one of these topics, or of the one that is named."""
        found: list[Told] = []
        looked, complete, until = 0, True, time.monotonic() + PATIENCE
        with closing(self.view()) as view:
            for topic in sorted(topics) if not wanted.topic else [wanted.topic]:
                seen = 0
                held = sum(high - low for low, high in _ends(view, topic).values())
                for block in view.backwards(topic, FAR) if held else ():
                    seen += len(block)
                    found += self._meant(wanted, block)
                    if len(found) >= MOST or time.monotonic() > until:
                        break
                looked, complete = looked + seen, complete and seen >= held
        newest = sorted(found, key=lambda item: (item.event.timestamp_ms, item.event.offset), reverse=True)
        return Search(tuple(newest[:MOST]), looked, complete)

    def known(self, topic: str, partition: int, offset: int) -> Known:
        """What is known of the event at a position."""
        with closing(self.view()) as view:
            event = view.at(topic, partition, offset)
            item = None if event is None else told(event, self.codec)
            unread: list[str] = []
            letters: tuple[Letter, ...] | None = None
            before, again, answers = list[int](), list[int](), list[Answer]()
            with _noted("its dead letter", unread):
                letters = self._letters(topic, partition, offset)
            if item is not None and item.id is not None:
                with _noted("repeats of it", unread):
                    places = self._same_id(view, item)
                    before = [place for place in places if place < offset]
                    again = [place for place in places if place > offset]
            if item is not None and item.event.key:
                with _noted("answers since", unread):
                    answers = self._answers(view, item.event)
        return Known(item, letters, tuple(before), tuple(again), tuple(answers), tuple(unread))

    def _meant(self, wanted: Wanted, events: Iterable[Logged]) -> Iterator[Told]:
        for event in events:
            if wanted.may_be(event):
                item = told(event, self.codec)
                if wanted.is_it(item):
                    yield item

    def _letters(self, topic: str, partition: int, offset: int) -> tuple[Letter, ...]:
        reader = LetterReader(self._kafka)
        if topic.endswith(SUFFIX) or topic not in reader.topics():
            return ()
        at = partition, offset
        return tuple(one for one in reader.read(topic, newest=LETTERS) if (one.event.partition, one.event.offset) == at)

    def _same_id(self, view: LogView, item: Told) -> list[int]:
        """Positions of the partition with the id of an event, among the newest and those around it."""
        event, low, high = item.event, *view.ends(item.event.topic)[item.event.partition]
        reach = FAR.messages // 2
        span = max(low, event.offset - reach), min(high, event.offset + reach)
        near = view.read(event.topic, {event.partition: span}, FAR.size)
        same = Wanted(word=str(item.id))
        alike = (told(one, self.codec) for one in near if one.offset != event.offset and same.may_be(one))
        return sorted(one.event.offset for one in alike if one.id == item.id)

    def _answers(self, view: LogView, event: Logged) -> list[Answer]:
        topic, key = Decision.event_type.topic, event.key or b""
        ends = _ends(view, topic)
        if not ends or event.topic == topic:
            return []
        since = view.since(topic, partition_of(key, len(ends)), event.timestamp_ms, ANSWERS)
        made = sorted((one for one in since if one.key == key), key=lambda one: one.offset)
        return [answer for one in made[:MOST] if (answer := self._answer(one, event)) is not None]

    def _answer(self, decision: Logged, event: Logged) -> Answer | None:
        value = told(decision, self.codec).value
        if value is None or value.get("shadow_of") is not None:
            return None
        return Answer(str(value["endpoint"]), str(value["id"]), max(0, decision.timestamp_ms - event.timestamp_ms))


def _ends(view: LogView, topic: str) -> dict[int, tuple[int, int]]:
    """Where a topic begins and ends; nothing where there is none."""
    try:
        return view.ends(topic)
    except TopicMissing:
        return {}


@contextmanager
def _noted(what: str, unread: list[str]) -> Iterator[None]:
    """One thing that cannot be looked up hides no other."""
    try:
        yield
    except MillraceError as error:
        unread.append(f"{what}: {error}")
