"""What learners and services say of themselves: who reads which topic by which schema, and what depends on it.

A row for each product (`product/movies`: its learners) and for each service (`service/movies`: its endpoint types),
put down anew as a whole whenever workers or a service start, so that what a product has no more is gone with its row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.avro import of_text, text_of
from schemas.errors import SchemaError
from schemas.table import MemoryTable, Rows, Table


class Reader(msgspec.Struct, frozen=True):
    """A learner as a reader of a topic.

    Attributes:
        learner, version: its name, and which version of it.
        topic: what it folds, or what that is derived from.
        storages: what it writes, "redis/ranking/popular"; a storage's versions come and go, so without one.
        emits: topics that it sends events to.
        product: whose learner it is.
        schema: by which it reads; empty where the row did not say.
        since: when its product first said all this, as ISO 8601; "" = not known.
    """

    learner: str
    version: int
    topic: str
    storages: tuple[str, ...] = ()
    emits: tuple[str, ...] = ()
    product: str = ""
    schema: dict[str, Any] = {}
    since: str = ""

    @property
    def title(self) -> str:
        """As people write it: "popular@2 of movies"."""
        return f"{self.learner}@{self.version} of {self.product}"


class Reading(msgspec.Struct, frozen=True):
    """An implementation of an endpoint type as a reader of storages, named as those of a `Reader` are."""

    endpoint: str
    implementation: str
    storages: tuple[str, ...] = ()


class _Product(msgspec.Struct):
    schemas: dict[str, dict[str, Any]]
    learners: tuple[Reader, ...]
    since: str = ""


class _Service(msgspec.Struct):
    endpoints: tuple[Reading, ...]
    since: str = ""


Documents = Mapping[str, Any]
"""The rows as JSON values, by key; what the registry gives at `GET /readers`."""
PRODUCT, SERVICE = "product/", "service/"


class Readers:
    """The table of readers. Its calls block, and raise MillraceError where the server that has it is away."""

    def __init__(self, table: Table | None = None) -> None:
        self._table = table or MemoryTable()

    def learn(self, product: str, readers: Sequence[Reader]) -> None:
        """These are the learners of a product from now on, and no others; nothing is written where that is known."""
        self._put(f"{PRODUCT}{product}", _row(readers))

    def serve(self, service: str, readings: Sequence[Reading]) -> None:
        """These are the implementations that a service answers with from now on, and no others."""
        self._put(f"{SERVICE}{service}", {"endpoints": [_short(reading) for reading in readings]})

    def forget(self, key: str) -> bool:
        """Remove the row of a product or service that is gone; whether there was one."""
        was = key in self._table.rows()
        if was:
            self._table.change(lambda rows: (key, None) if key in rows else None)
        return was

    def documents(self) -> dict[str, Any]:
        """Every row that is one."""
        found = {key: _json(value) for key, value in self._table.rows().items()}
        return {key: value for key, value in sorted(found.items()) if isinstance(value, dict)}

    def _put(self, key: str, row: dict[str, Any]) -> None:
        """Writes only what is new: to write is a transaction, and every worker of a product says the same."""
        decide = _deciding(key, row)
        if decide(self._table.rows()) is not None:
            self._table.change(decide)


def known(documents: Documents, product: str, readers: Sequence[Reader]) -> bool:
    """Whether rows tell of exactly these as the learners of a product."""
    return bool(_without_time(documents.get(f"{PRODUCT}{product}")) == _row(readers))


def readers_of(documents: Documents) -> list[Reader]:
    """The learners that rows tell of. What is no row of ours is passed over: any program may write to the topic."""
    found: list[Reader] = []
    for key, document in documents.items():
        if key.startswith(PRODUCT):
            try:
                row = msgspec.convert(document, _Product)
            except msgspec.ValidationError:
                continue
            usable = {topic: schema for topic, schema in row.schemas.items() if _usable(schema)}
            found += [
                msgspec.structs.replace(
                    reader, product=key.removeprefix(PRODUCT), schema=usable[reader.topic], since=row.since
                )
                for reader in row.learners
                if reader.topic in usable
            ]
    return found


def readings_of(documents: Documents) -> list[Reading]:
    """The implementations that rows tell of, each once."""
    found: dict[Reading, None] = {}
    for key, document in documents.items():
        if key.startswith(SERVICE):
            try:
                found |= dict.fromkeys(msgspec.convert(document, _Service).endpoints)
            except msgspec.ValidationError:
                continue
    return list(found)


def _row(readers: Sequence[Reader]) -> dict[str, Any]:
    learners = [msgspec.structs.replace(reader, schema={}, product="", since="") for reader in readers]
    return {
        "schemas": {reader.topic: dict(reader.schema) for reader in readers},
        "learners": [_short(reader) for reader in learners],
    }


def _without_time(document: Any) -> Any:
    """A row without when it was written."""
    return {name: value for name, value in document.items() if name != "since"} if isinstance(document, dict) else None


def _deciding(key: str, row: dict[str, Any]) -> Callable[[Rows], tuple[str, bytes] | None]:
    def decide(rows: Rows) -> tuple[str, bytes] | None:
        if _without_time(_json(rows.get(key, b""))) == row:
            return None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return key, json.dumps({**row, "since": since}, separators=(",", ":")).encode()

    return decide


def _short(item: Reader | Reading) -> dict[str, Any]:
    """As it is kept: without what is empty."""
    found: dict[str, Any] = msgspec.to_builtins(item)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value}


def _json(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _usable(schema: Mapping[str, Any]) -> bool:
    try:
        of_text(text_of(schema))
    except (SchemaError, RecursionError):
        return False
    return True
