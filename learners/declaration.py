"""What a learner class declares, read once and checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, get_args, get_origin

import polars as pl

from learners.bad_limit import BadLimit
from learners.derived import by_key, in_one_order, renamed
from learners.emit import Emit
from learners.errors import LearnerRefused
from learners.late import Late
from learners.stream import Stream
from schemas import Event, EventType, Record, SchemaError
from storage import Descriptor, Format
from storage.errors import FormatRefused
from storage.formats.emitted import Emitted
from storage.formats.marks import Marks
from storage.formats.seen import Seen
from storage.formats.sessions import Sessions
from storage.formats.watermark import Watermark
from storage.kept import EMITTED, EVENT_TIME, MARKS, SEEN


class Contract(Protocol):
    """What the machinery needs of a learner class; `learner.Learner` is the base that users extend."""

    name: ClassVar[str]
    version: ClassVar[int]
    state: ClassVar[str | None]
    by_event: ClassVar[bool]

    def learn(self, item: Any, /) -> None:
        """Fold one batch, or one event."""


@dataclass(frozen=True)
class Declaration:
    """One learner class, understood.

    Attributes:
        storages: attribute name -> the format declared there.
        events: makes the events of a frame, for an event learner; None for a frame learner.
        time_field: the field that says when an event happened, for the watermark; None if the event type has none.
        stop_at: so many bad events stop a unit; None = none do.
        seen: tells events that were sent twice, which it drops; it lives where the state is. None = none are dropped.
        marks: tells events that learners have emitted twice; it lives there too. None = no learner emits to its topic.
        emits: attribute name -> the topic emitted to.
        emitted: says what it emits to, where its state is; None = it emits nothing.
        source: the topic that the one it folds is derived from; None = that is not derived.
        source_emitted: learners of other products emit to that.
        late: which events are late; None = none is.
        watermark: tells them, and lives where the state is; None = none is late.
    """

    learner: type[Contract]
    event_type: EventType
    storages: Mapping[str, Format]
    events: Callable[[pl.DataFrame], Iterator[Record]] | None
    time_field: str | None
    total_order: bool = False
    stop_at: BadLimit | None = None
    seen: Seen | None = None
    marks: Marks | None = None
    emits: Mapping[str, Emit] = field(default_factory=dict)
    emitted: Emitted | None = None
    source: EventType | None = None
    source_emitted: bool = False
    late: Late | None = None
    watermark: Watermark | None = None

    @property
    def name(self) -> str:
        """The learner's name."""
        return self.learner.name

    @property
    def topic(self) -> str:
        """The topic that it folds."""
        return self.event_type.topic

    @property
    def asked(self) -> str:
        """The topic that its class names; that which it folds may be derived from it."""
        return (self.source or self.event_type).topic

    @classmethod
    def of(
        cls, learner: type[Contract], event_types: Mapping[str, EventType], emitted: Collection[str] = ()
    ) -> Declaration:
        """Read a learner class.

        Args:
            event_types: by topic.
            emitted: topics that learners are known to emit to.

        Raises:
            LearnerRefused: the declaration cannot run; the message says what to change.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", learner.name):
            raise LearnerRefused(f"{learner.__name__} has the name {learner.name!r}; use letters, digits and _ only.")
        storages = storages_of(learner)
        emits = emits_of(learner)
        if not storages and not emits:
            raise LearnerRefused(f"Learner {learner.name} declares no storage; what it learns would be lost.")
        event = _event(learner) if learner.by_event else None
        declared = _stream(learner, event)
        source = _event_type(learner, declared, event_types, event)
        event_type = _split(learner, declared, source)
        time_field = _time_field(learner, declared, event_type)
        _check_sessions(learner, declared, storages)
        derived, late = event_type is not source, declared.late
        return cls(
            learner,
            event_type,
            storages,
            events=_events(learner, event, event_type) if learner.by_event else None,
            time_field=time_field,
            total_order=declared.order == "total",
            stop_at=declared.stop_at,
            seen=_seen(learner, declared, event_type) if declared.drop_repeats else None,
            marks=_marks(learner) if declared.emitted or declared.topic in emitted or derived else None,
            emits=emits,
            emitted=Emitted(learner.name + EMITTED) if emits else None,
            source=source if derived else None,
            source_emitted=declared.emitted,
            late=late,
            watermark=None if late is None else Watermark(learner.name + EVENT_TIME, late.allowed_ms),
        )

    def in_one_order(self) -> Declaration:
        """The same of a derived topic that has all events in one order."""
        source = self.source or self.event_type
        return replace(self, event_type=in_one_order(self.event_type), source=source, marks=_marks(self.learner))

    def below(self, prefix: str) -> Declaration:
        """The same, with this before the name of the derived topic, if it folds one."""
        if self.source is None or not prefix:
            return self
        return replace(self, event_type=renamed(self.event_type, prefix + self.topic))

    @property
    def forms(self) -> list[Format]:
        """All that it writes."""
        return [*self.storages.values(), *self.kept]

    @property
    def kept(self) -> list[Format]:
        """What is kept of its streams beside its storages, where the state is: no `learn` sees it."""
        return [form for form in (self.seen, self.marks, self.watermark, self.emitted) if form is not None]

    @property
    def placed(self) -> list[Format]:
        """What says where it lives: its storages, or what is kept where it has none, as its position is there."""
        return list(self.storages.values()) or self.kept

    def descriptors(self, generation: int) -> list[Descriptor]:
        """What its storages say of themselves when their rows are of this generation."""
        version = self.learner.version
        return [form.describe(self.name, version, generation, self.topic) for form in self.forms]


def declarations(learners: Sequence[type[Contract]], event_types: Mapping[str, EventType]) -> list[Declaration]:
    """All learners' declarations, checked one by one and against each other.

    Raises:
        LearnerRefused: one cannot run, or two write the same storage.
    """
    emitted = {emit.topic for learner in learners for emit in emits_of(learner).values()}
    found = [Declaration.of(learner, event_types, emitted) for learner in learners]
    _check_circles(found)
    writers: dict[tuple[str, str], str] = {}
    names: set[str] = set()
    for declaration in found:
        if declaration.name in names:
            raise LearnerRefused(f"Two learners have the name {declaration.name}; rename one of them.")
        names.add(declaration.name)
        for storage in declaration.forms:
            other = writers.setdefault((storage.format, storage.name), declaration.name)
            if other != declaration.name:
                raise LearnerRefused(
                    f"{declaration.name} and {other} both write {storage.format}/{storage.name}; "
                    "a storage has one writer, rename one of the two storages."
                )
    return found


def storages_of(learner: type[Any]) -> dict[str, Format]:
    """Attribute name -> the storage that a learner class writes."""
    return {attribute: value for attribute, value in _attributes(learner) if isinstance(value, Format)}


def emits_of(learner: type[Any]) -> dict[str, Emit]:
    """Attribute name -> the topic that a learner class emits to.

    Raises:
        LearnerRefused: two attributes emit to one topic.
    """
    found = {attribute: value for attribute, value in _attributes(learner) if isinstance(value, Emit)}
    if len({emit.topic for emit in found.values()}) < len(found):
        raise LearnerRefused(f"Learner {learner.name} declares one emitted topic twice; keep one of the two.")
    return found


def topics_behind(topic: str, found: Iterable[Declaration]) -> list[str]:
    """The topics whose events learners fold that emit to this one; sorted."""
    return sorted({item.topic for item in found if any(emit.topic == topic for emit in item.emits.values())})


def _check_circles(found: Sequence[Declaration]) -> None:
    """Raise LearnerRefused where a learner would be given what follows from its own events, without end."""
    targets = {declaration.name: {emit.topic for emit in declaration.emits.values()} for declaration in found}
    for declaration in found:
        reached: set[str] = set()
        ahead = set(targets[declaration.name])
        while ahead:
            reached |= ahead
            ahead = {topic for one in found if one.topic in ahead for topic in targets[one.name]} - reached
        if declaration.topic in reached:
            raise LearnerRefused(
                f"Learner {declaration.name} folds {declaration.topic}, which follows from what it emits itself: its "
                "events would go round without end. Emit to another topic."
            )


def _attributes(learner: type[Any]) -> Iterator[tuple[str, Any]]:
    seen: dict[str, Any] = {}
    for base in reversed(learner.__mro__):
        seen.update(vars(base))
    yield from seen.items()


def _event(learner: type[Any]) -> type[Event] | None:
    """The event class in `EventLearner[...]`, if it is a declared one."""
    for base in learner.__mro__:
        for generic in vars(base).get("__orig_bases__", ()):
            origin, arguments = get_origin(generic), get_args(generic)
            if getattr(origin, "by_event", False) and arguments:
                event = arguments[0]
                if isinstance(event, type) and issubclass(event, Event) and event is not Event:
                    return event
    return None


def _stream(learner: type[Contract], event: type[Event] | None) -> Stream:
    streams = [value for _, value in _attributes(learner) if isinstance(value, Stream)]
    if not streams and event is not None:
        return Stream(event.event_type.topic)
    if not streams:
        raise LearnerRefused(f'Learner {learner.name} declares no stream; add, say, `clicks = mr.stream("clicks")`.')
    if len(streams) > 1:
        raise LearnerRefused(
            f"Learner {learner.name} declares {len(streams)} streams; only one log has one order that a replay can "
            "repeat, and derived topics that merge several are not there yet. Keep one stream per learner."
        )
    return streams[0]


def _event_type(
    learner: type[Contract], declared: Stream, event_types: Mapping[str, EventType], event: type[Event] | None
) -> EventType:
    if declared.topic in event_types:
        return event_types[declared.topic]
    if event is not None and event.event_type.topic == declared.topic:
        return event.event_type
    known = ", ".join(sorted(event_types)) or "none"
    raise LearnerRefused(f"Learner {learner.name} folds {declared.topic}, which has no event type; known: {known}.")


def _split(learner: type[Contract], declared: Stream, source: EventType) -> EventType:
    """The event type of what is folded: the topic's own, or that of a topic derived from it by another key."""
    if declared.key is None or declared.key == source.key:
        return source
    try:
        return by_key(source, declared.key)
    except SchemaError as error:
        raise LearnerRefused(f"Learner {learner.name} needs {source.topic} by {declared.key!r}: {error}") from error


def _marks(learner: type[Contract]) -> Marks:
    return Marks(learner.name + MARKS)


def _check_sessions(learner: type[Contract], declared: Stream, storages: Mapping[str, Format]) -> None:
    """Raise LearnerRefused where a session may be gone before an event of it that is not late has come."""
    try:
        for form in storages.values():
            if isinstance(form, Sessions) and declared.late is not None:
                form.must_outlast(declared.late.allowed)
    except FormatRefused as error:
        raise LearnerRefused(f"Learner {learner.name}: {error}") from error


def _time_field(learner: type[Contract], declared: Stream, event_type: EventType) -> str | None:
    wanted = declared.event_time
    times = [name for name, kind in event_type.frame_schema.items() if isinstance(kind, pl.Datetime)]
    if wanted is not None and wanted not in times:
        raise LearnerRefused(
            f"Learner {learner.name} takes {wanted!r} as the event time of {declared.topic}, where it is no field that "
            f"holds a time; those that do are: {', '.join(times) or 'none'}."
        )
    if declared.late is not None and not times:
        raise LearnerRefused(
            f"Learner {learner.name} says which events of {declared.topic} are late, but none of their fields holds a "
            "time; give the event type one, say `at: datetime`."
        )
    return wanted or event_type.time_field


def _seen(learner: type[Contract], declared: Stream, event_type: EventType) -> Seen:
    if event_type.id is None:
        raise LearnerRefused(
            f"Learner {learner.name} drops repeated events of {declared.topic}, whose event type names no id; write "
            '`class ...(mr.Event, topic="...", id="...")`, or set "millrace.id" in its schema.'
        )
    if event_type.key is None:
        raise LearnerRefused(
            f"Learner {learner.name} drops repeated events of {declared.topic}, which has no key, so one event may "
            "be on two partitions; give the event type a key, which may be its id."
        )
    try:
        return Seen(learner.name + SEEN, declared.drop_repeats)
    except FormatRefused as error:
        raise LearnerRefused(f"Learner {learner.name} cannot drop repeats so: {error}") from error


def _events(
    learner: type[Contract], event: type[Event] | None, event_type: EventType
) -> Callable[[pl.DataFrame], Iterator[Record]]:
    source = event.event_type if event is not None else event_type
    if source.python is None:
        raise LearnerRefused(
            f"Learner {learner.name} takes events of {event_type.topic} one by one, but that event type has no Python "
            "class; declare one and write `EventLearner[ThatClass]`, or use a FrameLearner."
        )
    missing = set(source.frame_schema) - set(event_type.frame_schema)
    if missing:
        raise LearnerRefused(
            f"Learner {learner.name} reads the fields {', '.join(sorted(missing))}, which {event_type.topic} lacks."
        )
    return source.events
