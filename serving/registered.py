"""What is registered, and who reads it: as the console's Schemas page shows it, and as AsyncAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import SchemaError, Version
from schemas.asyncapi import asyncapi
from schemas.avro import of_text
from schemas.event_type import VALUE
from schemas.fields import Change, FieldUse, changes, field_uses
from schemas.graph import Affected, Break, Graph
from schemas.readers import Documents, Reader
from schemas.redaction import redacted
from schemas.registry_keeper import RegistryKeeper

MOST = 500
"""Subjects that are looked at."""
VERSIONS = 20
"""Versions of a subject that are shown: the newest."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of the registry: its newest version, and who reads its topic.

    Attributes:
        schema: of the newest version; None = it is no Avro schema of a record.
        uses: every field and who reads it.
        breaks: what cannot be read as it is written now.
        affected: by reader's title what hangs on it.
    """

    name: str
    latest: Version
    schema: Mapping[str, Any] | None
    readers: Sequence[Reader]
    uses: Sequence[FieldUse]
    breaks: Sequence[Break]
    affected: Mapping[str, Affected]

    @property
    def topic(self) -> str:
        """The topic whose values it describes; the subject itself where it is named otherwise."""
        return self.name.removesuffix(VALUE)

    @property
    def unread(self) -> Sequence[str]:
        """Fields that are written for nobody; none where nobody is known to read the topic at all."""
        return [use.place for use in self.uses if use.unread] if self.readers else ()


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of a subject beside the one before it; `changes` is None for the first that is shown."""

    version: Version
    changes: Sequence[Change] | None


class Registered:
    """Asks the registry and the table of readers. Every call blocks, and raises MillraceError where one is away.

    Args:
        readers: who reads what.
        kafka, registry_url: addresses, for the AsyncAPI document.
    """

    def __init__(
        self, registry: RegistryKeeper, readers: Callable[[], Documents], kafka: str = "", registry_url: str = ""
    ) -> None:
        self._registry, self._readers = registry, readers
        self._kafka = [redacted(address.strip()) for address in kafka.split(",") if address.strip()]
        self._url = redacted(registry_url)

    def subjects(self) -> list[Subject]:
        """All subjects, sorted."""
        return self._subjects(Graph.of(self._readers()))

    def history(self, subject: str) -> list[Edition]:
        """A subject's versions, the newest first."""
        versions = self._registry.versions(subject, VERSIONS)
        schemas = [_schema(version) for version in versions]
        before = [None, *schemas[:-1]]
        found = [
            Edition(version, None if old is None or new is None else changes(old, new))
            for version, old, new in zip(versions, before, schemas, strict=True)
        ]
        return found[::-1]

    def level(self, subject: str) -> str:
        """What a subject demands of a new version."""
        return self._registry.level(subject)

    def asyncapi(self) -> dict[str, Any]:
        """What is registered, as AsyncAPI."""
        graph = Graph.of(self._readers())
        values = [item for item in self._subjects(graph) if item.name.endswith(VALUE)]
        schemas = {item.topic: item.schema for item in values if item.schema is not None}
        return asyncapi(schemas, graph, self._kafka, self._url)

    def _subjects(self, graph: Graph) -> list[Subject]:
        found = [(name, self._registry.latest(name)) for name in self._registry.subjects()[:MOST]]
        return [_subject(name, latest, graph) for name, latest in found if latest is not None]


def _subject(name: str, latest: Version, graph: Graph) -> Subject:
    topic, schema = name.removesuffix(VALUE), _schema(latest)
    readers = graph.readers_of(topic) if name.endswith(VALUE) else []
    breaks = graph.breaks(topic, schema) if schema is not None and readers else []
    affected = {reader.title: graph.affected(reader) for reader in readers}
    return Subject(name, latest, schema, readers, field_uses(schema, readers, breaks), breaks, affected)


def _schema(version: Version) -> Mapping[str, Any] | None:
    """The schema of a version where it is a record's; a registry of another house may keep others."""
    try:
        found = of_text(version.schema)
    except SchemaError:
        return None
    return found if isinstance(found, dict) and found.get("type") == "record" else None
