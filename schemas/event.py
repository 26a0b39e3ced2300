"""An event as a Python class: what producers emit and event learners receive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from schemas.errors import SchemaError
from schemas.record import Record

if TYPE_CHECKING:
    from schemas.event_type import EventType


class _TypeOf:
    """Makes a class's event type when it is first asked for: by then all names in its annotations exist."""

    def __get__(self, event: object, owner: type[Event]) -> EventType:
        found = vars(owner).get("_event_type")
        if found is None:
            found = _event_type(owner)
            owner._event_type = found
        return found


@dataclass_transform(frozen_default=True)
class Event(Record):
    """Base of events: `class Click(Event, topic="clicks", key="user")`, then the fields. `id="..."` names the field by
    which a learner tells an event that was sent twice; `archive=True` has the events archived. `subject="..."` names
    the field of the person whom an event is about, where that is not the key; see `schemas.personal`.

    Attributes:
        event_type: topic, key and Avro schema. Raises SchemaError when the class has no topic, or no usable schema.
    """

    event_type = _TypeOf()
    _topic: ClassVar[str | None] = None
    _key: ClassVar[str | None] = None
    _id: ClassVar[str | None] = None
    _archive: ClassVar[bool] = False
    _subject: ClassVar[str | None] = None
    if TYPE_CHECKING:
        _event_type: ClassVar[EventType]

    def __init_subclass__(
        cls,
        topic: str | None = None,
        key: str | None = None,
        id: str | None = None,
        archive: bool = False,
        subject: str | None = None,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        if topic is not None:
            cls._topic, cls._key, cls._id, cls._archive, cls._subject = topic, key, id, archive, subject


def topic_of(event: type[Event]) -> str:
    """The topic of a class of events.

    Raises:
        SchemaError: it has none.
    """
    if event._topic is None:
        raise SchemaError(f'{event.__name__} has no topic; write `class {event.__name__}(mr.Event, topic="...")`.')
    return event._topic


def _event_type(owner: type[Event]) -> EventType:
    from schemas.event_type import ARCHIVE, ID, KEY, TOPIC, EventType  # who posts events as JSON needs no Avro library
    from schemas.personal import SUBJECT

    topic, schema = topic_of(owner), owner.avro_schema()
    schema[TOPIC] = topic
    if owner._key is not None:
        schema[KEY] = owner._key
    if owner._id is not None:
        schema[ID] = owner._id
    if owner._archive:
        schema[ARCHIVE] = True
    if owner._subject is not None:
        schema[SUBJECT] = owner._subject
    return EventType(topic, schema, owner._key, owner)
