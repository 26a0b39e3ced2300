"""One Avro body to one value: checked, decoded, resolved to the reader's schema."""

from __future__ import annotations

import io
from functools import cached_property, lru_cache
from typing import Any

import fastavro

from schemas.avro import Schema, of_trusted_text, resolved, text_of
from schemas.compatibility import unreadable
from schemas.errors import MalformedEvent, UnreadableEvent
from schemas.numbers_reader import NumbersReader
from schemas.reading import NOWHERE, reading
from schemas.skim import skim


class DatumReader:
    """Decodes bodies that one schema wrote into values of another (Avro specification, Schema Resolution)."""

    def __init__(self, writer: Schema, reader: Schema) -> None:
        self._schemas = reader, writer
        same = text_of(writer) == text_of(reader)
        self._shape, self._writer = resolved(writer), reading(writer, None if same else reader)
        self._reader = None if same else reading(reader)
        self._numbers = NumbersReader.of(writer) if same else None

    @cached_property
    def _differences(self) -> list[str]:
        return unreadable(*self._schemas)

    def read(self, body: bytes) -> Any:
        """Decode exactly one value.

        Raises:
            MalformedEvent: the body is no value of the writer's schema.
            UnreadableEvent: it is one, and cannot be resolved to the reader's.
        """
        skim(body, self._shape)
        return self.read_trusted(body)

    def _is_written_well(self, body: bytes) -> bool:
        try:
            fastavro.schemaless_reader(io.BytesIO(body), self._writer, None)
        except MemoryError:
            raise
        except Exception:
            return False
        return True

    def read_trusted(self, body: bytes) -> Any:
        """The same for bytes that we have written ourselves: without the guard against hostile ones."""
        numbers = self._numbers
        if numbers is None:
            return self._read(body)
        found = numbers.read(body)
        if found is None:
            found = self._read(body)
            numbers.learn(found)
        return found

    def _read(self, body: bytes) -> Any:
        try:
            return fastavro.schemaless_reader(io.BytesIO(body), self._writer, self._reader)
        except fastavro.read.SchemaResolutionError as error:
            why = "; ".join(self._differences) or str(error).replace(f"{NOWHERE}.", "")
            raise UnreadableEvent(why) from error
        except MemoryError:
            raise
        except Exception as error:  # whatever the decoder raises, these bytes are no such value
            of_a_value = isinstance(error, (ValueError, ArithmeticError))
            if self._reader is not None and not of_a_value and self._is_written_well(body):
                why = "; ".join(self._differences) or f"{type(error).__name__}: {error}"
                raise UnreadableEvent(why) from error
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
