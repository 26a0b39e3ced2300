"""The whole graph from topics to answers: what a changed schema would break, and what hangs on that. No I/O.

A learner reads its topic by the schema that its product declares (`readers.py`); whether it can read what a new schema
writes follows from Avro's rules for schema resolution, whatever the versions before were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.avro import Schema
from schemas.compatibility import differences
from schemas.event_type import KEY
from schemas.readers import Documents, Reader, Reading, readers_of, readings_of


@dataclass(frozen=True)
class Affected:
    """What gets nothing new when a learner cannot read on.

    Attributes:
        storages: what it writes, and what the learners do that fold what it emits.
        endpoints: endpoint type -> its implementations that read one of these.
        topics: what it emits, and what follows from that.
        learners: the titles of those that fold these topics.
    """

    storages: tuple[str, ...]
    endpoints: dict[str, tuple[str, ...]]
    topics: tuple[str, ...]
    learners: tuple[str, ...]


@dataclass(frozen=True)
class Break:
    """One thing that a learner cannot read.

    Attributes:
        field: the place in the event, `lines[].n`; "" = the event as a whole.
        what: "is string, and the reader takes int".
    """

    topic: str
    field: str
    what: str
    reader: Reader
    affected: Affected

    @property
    def place(self) -> str:
        """Topic and field: "ratings.stars"."""
        return f"{self.topic}.{self.field}" if self.field else self.topic

    def __str__(self) -> str:
        return f"{self.place} {self.what}: {self.reader.title} could not read on ({following(self.affected)})"


@dataclass(frozen=True)
class Graph:
    """Who reads what.

    Attributes:
        readers: learners, by topic and title.
        readings: implementations of endpoint types.
    """

    readers: tuple[Reader, ...] = ()
    readings: tuple[Reading, ...] = ()

    @classmethod
    def of(cls, documents: Documents) -> Graph:
        """What the rows of the table of readers tell."""
        readers = sorted(readers_of(documents), key=lambda reader: (reader.topic, reader.title))
        return cls(tuple(readers), tuple(readings_of(documents)))

    def readers_of(self, topic: str) -> list[Reader]:
        """The learners that fold a topic."""
        return [reader for reader in self.readers if reader.topic == topic]

    def breaks(self, topic: str, schema: Schema) -> list[Break]:
        """What the topic's learners could not read if its events were written by this schema; the same place of one
        learner after the other."""
        found = [
            Break(topic, place, what, reader, self.affected(reader))
            for reader in self.readers_of(topic)
            for place, what in _unreadable(reader, schema)
        ]
        return sorted(found, key=lambda item: (item.field, item.what))

    def affected(self, reader: Reader) -> Affected:
        """What hangs on a learner, through the topics that it emits too."""
        chain = [reader]
        for one in chain:
            chain += [item for topic in one.emits for item in self.readers_of(topic) if item not in chain]
        storages = dict.fromkeys(storage for one in chain for storage in one.storages)
        endpoints: dict[str, tuple[str, ...]] = {}
        for item in self.readings:
            if not storages.keys().isdisjoint(item.storages):
                endpoints[item.endpoint] = (*endpoints.get(item.endpoint, ()), item.implementation)
        topics = dict.fromkeys(topic for one in chain for topic in one.emits)
        return Affected(tuple(storages), endpoints, tuple(topics), tuple(one.title for one in chain[1:]))


def following(affected: Affected) -> str:
    """What hangs on a learner, in words."""
    endpoints = [f"{name} ({', '.join(users)})" for name, users in affected.endpoints.items()]
    parts = (
        ("topics", affected.topics),
        ("learners", affected.learners),
        ("storages", affected.storages),
        ("endpoints", endpoints),
    )
    return "; ".join(f"{name}: {', '.join(items) or 'none'}" for name, items in parts if items or name == "endpoints")


def _unreadable(reader: Reader, schema: Schema) -> Iterator[tuple[str, str]]:
    for difference in differences(reader.schema, schema):
        yield difference.place, difference.what
    wanted, key = reader.schema.get(KEY), _key(schema)
    if wanted is not None and key is not None and key != wanted:
        yield "", f"is keyed by {key}, and the reader folds it by {wanted}"


def _key(schema: Schema) -> str | None:
    """The key that a schema names; None = it does not say."""
    return None if isinstance(schema, str | Sequence) else schema.get(KEY)
