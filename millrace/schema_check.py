"""What registering event types would break: versions before them, and whoever reads their topics now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from millrace.platform import READERS
from millrace.settings import Settings
from schemas import EventType
from schemas.fields import field_uses
from schemas.graph import Break, Graph, following
from schemas.readers import Documents, Reader, Readers
from schemas.registry_keeper import RegistryKeeper
from streams import Kafka, KafkaTable, Topics


@dataclass(frozen=True)
class Verdict:
    """What one event type would break.

    Attributes:
        earlier: why it does not go with the versions before it, by the subject's level.
        breaks: what readers of its topic could not read.
        notes: what is worth to know and breaks nothing.
    """

    event_type: EventType
    earlier: Sequence[str]
    breaks: Sequence[Break]
    notes: Sequence[str]

    @property
    def broken(self) -> bool:
        """Whether anything would break."""
        return bool(self.earlier or self.breaks)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "subject": self.event_type.subject,
            "topic": self.event_type.topic,
            "compatible": not self.broken,
            "earlier": list(self.earlier),
            "breaks": [_document(item) for item in self.breaks],
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people."""
        found = [f"{self.event_type.subject}: {'would break' if self.broken else 'compatible'}"]
        found += [f"  {message}" for message in self.earlier]
        for (place, what), items in groupby(self.breaks, lambda item: (item.place, item.what)):
            found.append(f"  {place} {what}; that could not be read any more by")
            found += [f"    learner {item.reader.title}; {following(item.affected)}" for item in items]
        return found + [f"  note: {note}" for note in self.notes]


def verdict(event_type: EventType, client: RegistryKeeper, graph: Graph) -> Verdict:
    """What registering an event type would break; nothing is registered. Asks the registry."""
    readers, breaks = graph.readers_of(event_type.topic), graph.breaks(event_type.topic, event_type.schema)
    earlier = client.check(event_type, readers=False)
    return Verdict(event_type, earlier, breaks, _notes(event_type, readers, breaks))


def documents_of(settings: Settings, client: RegistryKeeper) -> Documents:
    """Who reads what, as `Graph.of` takes it. Our registry says it, so that its address is all that is needed; where it
    is another one, Kafka does.

    Raises:
        KafkaUnavailable: it is another registry, which does not know, and no broker answers.
    """
    documents = client.readers()
    if documents is not None:
        return documents
    kafka = Kafka(settings.kafka, settings.kafka_options)
    with closing(Topics(kafka)) as topics:
        if READERS not in topics.names():
            return {}
    with closing(KafkaTable(kafka, READERS)) as table:
        return Readers(table).documents()


def _notes(event_type: EventType, readers: Sequence[Reader], breaks: Sequence[Break]) -> list[str]:
    if not readers:
        return [f"no learner is known that reads {event_type.topic}"]
    found = []
    uses = field_uses(event_type.schema, readers, breaks)
    unread = [use.place for use in uses if use.unread]
    if unread:
        found.append(f"nobody reads {', '.join(unread)}")
    for use in uses:
        titles = [title for title, kind in use.uses.items() if kind == "default"]
        if titles:
            found.append(f"{use.place} is not written: {', '.join(titles)} would have its default instead")
    return found


def _document(item: Break) -> dict[str, Any]:
    return {
        "topic": item.topic,
        "field": item.field,
        "what": item.what,
        "product": item.reader.product,
        "learner": item.reader.learner,
        "version": item.reader.version,
        "storages": list(item.affected.storages),
        "endpoints": {name: list(users) for name, users in item.affected.endpoints.items()},
        "emits": list(item.affected.topics),
        "learners": list(item.affected.learners),
    }
