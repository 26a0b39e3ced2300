"""One Avro body to one value and back: checked, decoded, resolved to the reader's schema."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import fastavro

from schemas.avro import Schema, of_trusted_text, parsed, resolved, text_of
from schemas.errors import MalformedEvent
from schemas.skim import skim


class DatumReader:
    """Decodes bodies that one schema wrote into values of another (Avro specification, Schema Resolution)."""

    def __init__(self, writer: Schema, reader: Schema) -> None:
        self._shape, self._writer = resolved(writer), parsed(writer)
        self._reader = None if text_of(writer) == text_of(reader) else parsed(reader)

    def read(self, body: bytes) -> Any:
        """Decode exactly one value.

        Raises:
            MalformedEvent: the body is no value of the writer's schema, or cannot be resolved to the reader's.
        """
        skim(body, self._shape)
        return self.read_trusted(body)

    def read_trusted(self, body: bytes) -> Any:
        """The same for bytes that we have written ourselves: without the guard against hostile ones."""
        try:
            return fastavro.schemaless_reader(io.BytesIO(body), self._writer, self._reader)
        except fastavro.read.SchemaResolutionError as error:
            raise MalformedEvent(f"What was written cannot be read by this schema: {error}.") from error
        except MemoryError:
            raise
        except Exception as error:  # whatever the decoder raises, these bytes are no such value
            raise MalformedEvent(f"The bytes cannot be decoded: {type(error).__name__}: {error}.") from error


def datum_reader(writer: Schema, reader: Schema) -> DatumReader:
    """The reader for a pair of schemas; kept after the first time.

    Raises:
        SchemaError: one of them is no Avro schema.
    """
    return _datum_reader(text_of(writer), text_of(reader))


@lru_cache(maxsize=2_000)
def _datum_reader(writer: str, reader: str) -> DatumReader:
    return DatumReader(of_trusted_text(writer), of_trusted_text(reader))


def write(schema: Any, value: Mapping[str, Any], what: str) -> bytes:
    """The Avro body of a record, without a header.

    Args:
        schema: as `avro.parsed` gives it.
        what: named in errors.

    Raises:
        MalformedEvent: the value does not fit.
    """
    for name, item in value.items():
        if isinstance(item, datetime) and item.tzinfo is None:
            raise MalformedEvent(f"{what}: the time in {name!r} has no time zone; use datetime.now(UTC).")
    buffer = io.BytesIO()
    try:
        fastavro.schemaless_writer(buffer, schema, value)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, IndexError) as error:
        raise MalformedEvent(f"{what}: the value does not fit the schema: {error or type(error).__name__}.") from error
    return buffer.getvalue()
