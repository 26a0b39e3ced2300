"""Events to bytes and back: one by one, or a whole batch into the columns of a frame."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas import columnar
from schemas.avro import Schema
from schemas.columns import frame_of
from schemas.datum import DatumReader, datum_reader
from schemas.errors import MalformedEvent, RegistryUnavailable, SchemaError, UnknownSchema, UnreadableEvent
from schemas.event_type import EventType
from schemas.projection import Project, projection
from schemas.wire import HEADER_SIZE, schema_id_of

if TYPE_CHECKING:
    from schemas.event import Event

ALONE = 16
"""So many records or fewer are decoded one by one; more are tried in columns."""
UNKNOWN_FOR = 5.0
"""Seconds for which an id that the registry did not know is not asked for again."""
_MOST_UNKNOWN = 10_000
SLICE = 1_000_000
"""Bytes of records that are decoded one by one before their values, which take many times as much, become columns."""
_HEADER, _BODY = itemgetter(slice(0, HEADER_SIZE)), itemgetter(slice(HEADER_SIZE, None))


class SchemaSource(Protocol):
    """Knows writers' schemas by id; `RegistryClient` is one."""

    def schema(self, schema_id: int) -> Schema:
        """The schema with this id, from memory after the first time.

        Raises:
            UnknownSchema: there is none.
            RegistryUnavailable: it could not be asked.
        """


@runtime_checkable
class SubjectSource(Protocol):
    """A source of schemas may also know where they are registered."""

    def subjects_of(self, schema_id: int) -> list[str]:
        """The subjects that a schema is registered under. Asks each time.

        Raises:
            UnknownSchema, RegistryUnavailable: as `schema` does.
        """


@dataclass(frozen=True, slots=True)
class BadPayload:
    """A payload that is no event of its topic.

    Attributes:
        index: its place in the batch.
        error: the kind of error, an exception's name.
        reason: what is wrong, for a person to read.
        unreadable: nothing is wrong with it: it is an event of this topic, by a schema that the reader's cannot read.
    """

    index: int
    error: str
    reason: str
    unreadable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A decoded batch.

    Attributes:
        frame: one row per good payload, in order; the columns of the reader's `frame_schema`.
        good: the places of these payloads in the batch, ascending, int64.
        bad: the others.
    """

    frame: pl.DataFrame
    good: NDArray[np.int64]
    bad: tuple[BadPayload, ...]


class Codec:
    """Encodes by registered schemas; decodes what any schema wrote into what a reader's event type has."""

    def __init__(self, source: SchemaSource) -> None:
        self._source = source
        self._unknown: OrderedDict[int, float] = OrderedDict()

    def encode(self, schema_id: int, event_type: EventType, value: Mapping[str, Any] | Event) -> bytes:
        """One event in the wire format.

        Args:
            schema_id: under which `event_type`'s schema is registered.

        Raises:
            MalformedEvent: the value does not fit the schema.
        """
        return event_type.encode(schema_id, value)

    def decode(self, payload: bytes, reader: EventType) -> dict[str, Any]:
        """One event as the reader's schema has it.

        Raises:
            MalformedEvent: the bytes are no event, or one that cannot be read by this schema.
            UnknownSchema, RegistryUnavailable: the writer's schema was not found.
        """
        return datum_reader(self._writer(payload), reader.schema).read(payload[HEADER_SIZE:])  # type: ignore[no-any-return]

    def decode_as_written(self, payload: bytes) -> dict[str, Any]:
        """One event as the schema has it that it was written with, whatever a reader would want.

        Raises:
            MalformedEvent: the bytes are no event.
            UnknownSchema, RegistryUnavailable: the writer's schema was not found.
        """
        writer = self._writer(payload)
        return datum_reader(writer, writer).read(payload[HEADER_SIZE:])  # type: ignore[no-any-return]

    def schema_of(self, payload: bytes) -> Schema:
        """The schema that an event was written with.

        Raises:
            MalformedEvent: the bytes are no event.
            UnknownSchema, RegistryUnavailable: it was not found.
        """
        return self._writer(payload)

    def decode_batch(self, payloads: Sequence[bytes | None], reader: EventType) -> Decoded:
        """All events of a batch as one frame; those that cannot be decoded come back as bad ones.

        Those that a schema of this topic wrote and the reader's cannot read are said to be `unreadable`; what another
        topic's wrote is only bad.

        Raises:
            RegistryUnavailable: a writer's schema could not be asked for; nothing was decoded.
        """
        found = _Batch(payloads, reader)
        for places in _by_header(payloads):
            first = payloads[places[0]]
            try:
                if first is None:
                    raise MalformedEvent("It has no value: a tombstone is no event.")
                writer = self._writer(first)
                project = projection(writer, reader.schema)
                alone = datum_reader(writer, reader.schema)
            except RegistryUnavailable:
                raise
            except SchemaError as error:
                found.refuse(places, error)
                continue
            found.add(places, writer, project, alone)
        return self._told_apart(found.decoded(), payloads, reader)

    def _told_apart(self, decoded: Decoded, payloads: Sequence[bytes | None], reader: EventType) -> Decoded:
        """What another topic's schema wrote is only bad."""
        ids = {bad.index: schema_id_of(payloads[bad.index] or b"") for bad in decoded.bad if bad.unreadable}
        foreign = {schema_id for schema_id in set(ids.values()) if not self._is_of(reader, schema_id)}
        if not foreign:
            return decoded
        bad = [replace(bad, unreadable=bad.unreadable and ids[bad.index] not in foreign) for bad in decoded.bad]
        return replace(decoded, bad=tuple(bad))

    def _is_of(self, reader: EventType, schema_id: int) -> bool:
        """Whether a schema is registered for the reader's topic, in one of the three ways that Confluent's clients
        name subjects."""
        if not isinstance(self._source, SubjectSource):
            return True
        named = {reader.subject, reader.name, f"{reader.topic}-{reader.name}"}
        return not named.isdisjoint(self._source.subjects_of(schema_id))

    def _writer(self, payload: bytes) -> Schema:
        schema_id = schema_id_of(payload)
        asked = self._unknown.get(schema_id)
        if asked is None or time.monotonic() - asked > UNKNOWN_FOR:
            try:
                return self._source.schema(schema_id)
            except UnknownSchema:
                self._unknown[schema_id] = time.monotonic()
                self._unknown.move_to_end(schema_id)
                if len(self._unknown) > _MOST_UNKNOWN:
                    self._unknown.popitem(last=False)
        raise UnknownSchema(f"The registry has no schema with the id {schema_id}.")


def _by_header(payloads: Sequence[bytes | None]) -> Iterator[NDArray[np.int64]]:
    """The places of payloads that begin alike, so that each group has one writer's schema."""
    everything = np.arange(len(payloads), dtype=np.int64)
    try:
        if len(set(map(_HEADER, payloads))) == 1:  # type: ignore[arg-type]
            yield everything
            return
    except TypeError:  # there is a payload without a value
        pass
    groups: dict[bytes | None, list[int]] = {}
    for place, payload in enumerate(payloads):
        groups.setdefault(None if payload is None else payload[:HEADER_SIZE], []).append(place)
    for places in groups.values():
        yield np.array(places, dtype=np.int64)


class _Batch:
    """Collects the decoded parts of one batch."""

    def __init__(self, payloads: Sequence[bytes | None], reader: EventType) -> None:
        self._payloads, self._reader = payloads, reader
        self._parts: list[tuple[NDArray[np.int64], pl.DataFrame]] = []
        self._bad: list[BadPayload] = []

    def refuse(self, places: NDArray[np.int64], error: Exception) -> None:
        self._bad += [BadPayload(int(place), type(error).__name__, str(error)) for place in places]

    def add(self, places: NDArray[np.int64], writer: Schema, project: Project | None, alone: DatumReader) -> None:
        """Decode payloads of one writer's schema: in columns, in halves of them where some are bad, then singly."""
        if project is None or len(places) <= ALONE or not columnar.allows(writer):
            self._singly(places, alone)
            return
        whole = len(places) == len(self._payloads)
        payloads = self._payloads if whole else [self._payloads[place] for place in places.tolist()]
        bodies = list(map(_BODY, payloads))  # type: ignore[arg-type]
        try:
            decoded = project(columnar.decode(bodies, writer))
        except columnar.NotColumnar:
            half = len(places) // 2
            self.add(places[:half], writer, project, alone)
            self.add(places[half:], writer, project, alone)
        else:
            self._parts.append((places, decoded))

    def decoded(self) -> Decoded:
        self._bad.sort(key=lambda bad: bad.index)
        if not self._parts:
            empty = pl.DataFrame(schema=self._reader.frame_schema)
            return Decoded(empty, np.empty(0, np.int64), tuple(self._bad))
        if len(self._parts) == 1:
            places, rows = self._parts[0]
            return Decoded(rows, places, tuple(self._bad))
        places = np.concatenate([places for places, _ in self._parts])
        rows = pl.concat([rows for _, rows in self._parts])
        order = np.argsort(places, kind="stable")
        return Decoded(rows[order], places[order], tuple(self._bad))

    def _singly(self, places: NDArray[np.int64], alone: DatumReader) -> None:
        good: list[int] = []
        rows: list[Mapping[str, Any]] = []
        size = 0
        for place in places.tolist():
            payload = self._payloads[place]
            assert payload is not None
            try:
                rows.append(alone.read(payload[HEADER_SIZE:]))
                good.append(place)
            except MalformedEvent as error:
                self._bad.append(_bad(place, payload, error))
                continue
            size += len(payload)
            if size > SLICE:
                self._frame(good, rows)
                good, rows, size = [], [], 0
        if rows:
            self._frame(good, rows)

    def _frame(self, good: list[int], rows: list[Mapping[str, Any]]) -> None:
        """Put decoded records into columns; one that no column holds is found by halves and refused alone."""
        try:
            self._parts.append((np.array(good, np.int64), frame_of(rows, self._reader.schema)))
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # polars panics are no `Exception`
            if len(good) == 1:
                self._bad.append(BadPayload(good[0], "MalformedEvent", f"No column holds its values: {error}"))
                return
            half = len(good) // 2
            self._frame(good[:half], rows[:half])
            self._frame(good[half:], rows[half:])


def _bad(place: int, payload: bytes, error: MalformedEvent) -> BadPayload:
    name = type(error).__name__
    if not isinstance(error, UnreadableEvent):
        return BadPayload(place, name, str(error))
    why = f"It was written with schema {schema_id_of(payload)}, which the reader's cannot read: {error.why}."
    return BadPayload(place, name, why, unreadable=True)
