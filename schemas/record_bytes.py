"""Records as bytes: bare Avro, for rows whose schema is kept beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from schemas.datum import DatumReader, datum_reader
from schemas.datum_writer import DatumWriter, datum_writer
from schemas.record import Record, converters, per_class

R = TypeVar("R", bound=Record)


def encode_record(kind: type[Record] | Mapping[str, Any], value: Record | Mapping[str, Any]) -> bytes:
    """The bytes of a record.

    Args:
        kind: the record's class, or its schema.

    Raises:
        MalformedEvent: the value does not fit the schema.
    """
    fields = value if isinstance(value, Mapping) else value.to_dict()
    if isinstance(kind, type):
        return _writer(kind).write(fields, kind.__name__)
    return datum_writer(kind).write(fields, str(kind.get("name", "record")))


@overload
def decode_record(kind: type[R], data: bytes) -> R: ...
@overload
def decode_record(kind: Mapping[str, Any], data: bytes) -> dict[str, Any]: ...
def decode_record(kind: type[R] | Mapping[str, Any], data: bytes) -> R | dict[str, Any]:
    """A record from its bytes: of the class, or a dictionary where a schema is given.

    Raises:
        MalformedEvent: the bytes are no such record.
    """
    if not isinstance(kind, type):
        return datum_reader(kind, kind).read_trusted(data)  # type: ignore[no-any-return]
    values = _reader(kind).read_trusted(data)
    convert = converters(kind)
    for name, conversion in convert.items():
        values[name] = conversion(values[name])
    record = object.__new__(kind)
    object.__setattr__(record, "__dict__", values)
    return record


@per_class
def _writer(kind: type[Any]) -> DatumWriter:
    return DatumWriter(kind.avro_schema())


@per_class
def _reader(kind: type[Any]) -> DatumReader:
    schema = kind.avro_schema()
    return DatumReader(schema, schema)
