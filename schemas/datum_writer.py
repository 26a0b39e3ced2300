"""One value to its Avro body."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import fastavro

from schemas.avro import Schema, of_trusted_text, parsed, resolved, text_of
from schemas.errors import MalformedEvent
from schemas.writable import writable


class DatumWriter:
    """Encodes values of one schema, which is a record's.

    Raises:
        SchemaError: it is no Avro schema.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema, self._check = parsed(schema), writable(resolved(schema))

    def write(self, value: Mapping[str, Any], what: str) -> bytes:
        """The Avro body of a record, without a header.

        Args:
            what: named in errors.

        Raises:
            MalformedEvent: the value does not fit.
        """
        buffer = io.BytesIO()
        try:
            if self._check is not None:
                self._check(value)
            fastavro.schemaless_writer(buffer, self._schema, value)
        except MalformedEvent as error:
            raise MalformedEvent(f"{what}: {error}", field=error.field) from error
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, IndexError) as error:
            why = error or type(error).__name__
            raise MalformedEvent(f"{what}: the value does not fit the schema: {why}.") from error
        return buffer.getvalue()


def datum_writer(schema: Schema) -> DatumWriter:
    """The writer for a schema; kept after the first time.

    Raises:
        SchemaError: it is no Avro schema.
    """
    return _datum_writer(text_of(schema))


@lru_cache(maxsize=2_000)
def _datum_writer(schema: str) -> DatumWriter:
    return DatumWriter(of_trusted_text(schema))
