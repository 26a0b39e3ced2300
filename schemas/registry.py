"""A schema registry whose memory is a log of records, laid out as Confluent's registry lays out its `_schemas` topic.

Several registries may run over one log: each appends, reads back, and keeps what came first. So a team can move to
another registry later by pointing it at the same topic.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas import compatibility
from schemas.avro import of_text
from schemas.compatibility import CompatibilityLevel
from schemas.errors import IncompatibleSchema, SchemaError, UnknownSchema
from schemas.event_type import VALUE
from schemas.graph import Graph
from schemas.readers import Documents, Readers
from schemas.record_log import RecordLog
from schemas.version import Version

_TRIES = 20
DEFAULT_LEVEL = CompatibilityLevel.BACKWARD


@dataclass
class _State:
    """What the log says: the fold of its records."""

    read: int = 0
    versions: dict[str, dict[int, Version]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    levels: dict[str | None, CompatibilityLevel] = field(default_factory=dict)

    def take(self, key: dict[str, Any], value: dict[str, Any] | None) -> None:
        kind, subject = key.get("keytype"), key.get("subject")
        if kind == "SCHEMA":
            self._schema(str(subject), int(key["version"]), value)
        elif kind == "CONFIG":
            level = None if value is None else value.get("compatibilityLevel")
            if level in CompatibilityLevel.__members__:
                self.levels[subject] = CompatibilityLevel[str(level)]
            else:
                self.levels.pop(subject, None)
        elif kind == "DELETE_SUBJECT" and value is not None:
            for found in list(self.versions.get(str(subject), {}).values()):
                if found.version <= int(value.get("version", found.version)):
                    self.versions[found.subject][found.version] = replace(found, deleted=True)

    def _schema(self, subject: str, number: int, value: dict[str, Any] | None) -> None:
        mine = self.versions.setdefault(subject, {})
        if value is None:
            mine.pop(number, None)
            return
        if value.get("schemaType", "AVRO") != "AVRO":
            return
        found = Version(subject, number, int(value["id"]), str(value["schema"]), bool(value.get("deleted", False)))
        known = mine.get(number)
        if known is not None and (known.id, known.schema) != (found.id, found.schema):
            return  # the first record wins
        if self.texts.setdefault(found.id, found.schema) != found.schema:
            return  # another registry gave this id to another schema first
        self.ids.setdefault(_meaning(found.schema), found.id)
        mine[number] = found


class Registry:
    """Registers schemas and looks them up. Every call may block on the log; any thread may call.

    Errors of the log itself (Kafka does not answer) pass through.

    Args:
        readers: who reads what: a schema that one of them cannot read is refused too; None = nobody has said.
    """

    def __init__(self, log: RecordLog, readers: Readers | None = None) -> None:
        self._log, self._readers = log, readers or Readers()
        self._lock = threading.RLock()
        self._state = _State()

    def register(self, subject: str, schema: str, readers: bool = True) -> int:
        """The id of a schema under a subject; the same schema keeps its id and version.

        Args:
            readers: whether it is refused where a reader cannot read it; never at the level NONE.

        Raises:
            SchemaError: it is no Avro schema.
            IncompatibleSchema: the subject's level refuses it, or a reader cannot read it; nothing was registered.
        """
        parsed = of_text(schema)
        with self._lock:
            for _ in range(_TRIES):
                self._refresh()
                known = self._same(subject, schema)
                if known is not None and not known.deleted:
                    return known.id
                messages = compatibility.check(self.level(subject), parsed, self._schemas(subject))
                if readers:
                    messages += self._broken(subject, parsed)
                if messages:
                    raise IncompatibleSchema(subject, messages)
                wanted = self._next(subject, schema)
                if self._append(wanted):
                    return wanted.id
        raise SchemaError(f"{subject} is being registered by too many at once; try again.")

    def lookup(self, subject: str, schema: str) -> Version:
        """The version of a subject that has this schema.

        Raises:
            UnknownSchema: none has.
        """
        of_text(schema)
        with self._lock:
            self._refresh()
            self._must_exist(subject)
            found = self._same(subject, schema)
        if found is None or found.deleted:
            raise UnknownSchema(f"{subject} has no such schema.")
        return found

    def schema(self, schema_id: int) -> str:
        """The text of the schema with this id. Raises UnknownSchema."""
        with self._lock:
            if schema_id not in self._state.texts:
                self._refresh()
            if schema_id not in self._state.texts:
                raise UnknownSchema(f"There is no schema with the id {schema_id}.")
            return self._state.texts[schema_id]

    def subjects_of(self, schema_id: int) -> list[Version]:
        """Where a schema is registered. Raises UnknownSchema."""
        self.schema(schema_id)
        with self._lock:
            return [
                version
                for subject in sorted(self._state.versions)
                for version in self._live(subject)
                if version.id == schema_id
            ]

    def subjects(self) -> list[str]:
        """Subjects with at least one version, sorted."""
        with self._lock:
            self._refresh()
            return sorted(subject for subject in self._state.versions if self._live(subject))

    def every(self, newest: bool) -> list[Version]:
        """The versions of all subjects, by subject, oldest first; or the newest one of each alone."""
        with self._lock:
            self._refresh()
            found = [self._live(subject) for subject in sorted(self._state.versions)]
        return [version for versions in found for version in (versions[-1:] if newest else versions)]

    def versions(self, subject: str) -> list[Version]:
        """A subject's versions, oldest first. Raises UnknownSchema where there is none."""
        with self._lock:
            self._refresh()
            self._must_exist(subject)
            return self._live(subject)

    def check(self, subject: str, schema: str, olds: Sequence[str] | None = None, readers: bool = True) -> list[str]:
        """What a schema would break under the subject's level, without registering it.

        Args:
            olds: schemas to compare with; the subject's own versions when left out.
            readers: whether those who read the topic now count too; see `register`.
        """
        parsed = of_text(schema)
        with self._lock:
            self._refresh()
            earlier = self._schemas(subject) if olds is None else [of_text(old) for old in olds]
            messages = compatibility.check(self.level(subject), parsed, earlier)
            return messages + (self._broken(subject, parsed) if readers else [])

    def readers(self) -> Documents:
        """Who reads what, as `Graph.of` takes it."""
        return self._readers.documents()

    def level(self, subject: str | None = None) -> CompatibilityLevel:
        """What a subject demands of new schemas; of all subjects without their own level when left out."""
        with self._lock:
            levels = self._state.levels
            return levels.get(subject, levels.get(None, DEFAULT_LEVEL))

    def own_level(self, subject: str) -> CompatibilityLevel | None:
        """The level set for this subject itself."""
        with self._lock:
            self._refresh()
            return self._state.levels.get(subject)

    def set_level(self, level: CompatibilityLevel | None, subject: str | None = None) -> None:
        """Set a level, or with None go back to the one for all."""
        value = None if level is None else _json({"compatibilityLevel": level.value})
        with self._lock:
            self._log.append(_json({"keytype": "CONFIG", "subject": subject, "magic": 0}), value)
            self._refresh()

    def delete(self, subject: str, number: int | None = None) -> list[int]:
        """Hide a version, or all of a subject: lookups no longer find it, its id stays readable.

        Raises:
            UnknownSchema: there is none.
        """
        with self._lock:
            self._refresh()
            self._must_exist(subject)
            found = [version for version in self._live(subject) if number in (None, version.version)]
            if not found:
                raise UnknownSchema(f"{subject} has no version {number}.", "version")
            for version in found:
                self._log.append(_key(version), _value(replace(version, deleted=True)))
            self._refresh()
        return [version.version for version in found]

    def _broken(self, subject: str, schema: Any) -> list[str]:
        """What readers of the subject's topic could not read, one sentence each."""
        if self.level(subject) is CompatibilityLevel.NONE or not subject.endswith(VALUE):
            return []
        found = Graph.of(self.readers()).breaks(subject.removesuffix(VALUE), schema)
        return [str(item) for item in found]

    def _refresh(self) -> None:
        records = self._log.records()
        for key, value in records[self._state.read :]:
            try:
                self._state.take(json.loads(key), None if value is None else json.loads(value))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue  # not a record of a registry; it is left alone
        self._state.read = len(records)

    def _append(self, wanted: Version) -> bool:
        """Append, read back; whether the record was the first for its version and its id."""
        self._log.append(_key(wanted), _value(wanted))
        self._refresh()
        found = self._state.versions.get(wanted.subject, {}).get(wanted.version)
        if found == wanted:
            return True
        if found is not None:
            self._log.append(
                _key(found), _value(found)
            )  # compaction keeps a key's last record: make it the first one's
            self._refresh()
        return False

    def _next(self, subject: str, schema: str) -> Version:
        numbers = self._state.versions.get(subject, {})
        known = self._state.ids.get(_meaning(schema))
        schema_id = known if known is not None else max(self._state.texts, default=0) + 1
        text = schema if known is None else self._state.texts[known]
        return Version(subject, max(numbers, default=0) + 1, schema_id, text)

    def _same(self, subject: str, schema: str) -> Version | None:
        meaning = _meaning(schema)
        found = [item for item in self._state.versions.get(subject, {}).values() if _meaning(item.schema) == meaning]
        return min(found, key=lambda item: (item.deleted, item.version), default=None)

    def _live(self, subject: str) -> list[Version]:
        found = self._state.versions.get(subject, {})
        return [found[number] for number in sorted(found) if not found[number].deleted]

    def _schemas(self, subject: str) -> list[Any]:
        return [of_text(version.schema) for version in self._live(subject)]

    def _must_exist(self, subject: str) -> None:
        if not self._live(subject):
            raise UnknownSchema(f"There is no subject {subject}.", "subject")


def _meaning(schema: str) -> str:
    """Equal for schemas that differ in spaces and the order of properties only."""
    return json.dumps(json.loads(schema), sort_keys=True)


def _key(version: Version) -> bytes:
    return _json({"keytype": "SCHEMA", "subject": version.subject, "version": version.version, "magic": 1})


def _value(version: Version) -> bytes:
    return _json(
        {
            "subject": version.subject,
            "version": version.version,
            "id": version.id,
            "schema": version.schema,
            "deleted": version.deleted,
        }
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
