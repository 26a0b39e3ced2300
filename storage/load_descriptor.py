"""What a loaded version is to be: as the storage was, or as the file says where there is none yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from storage.counters import Counters
from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.format import Format
from storage.load_file import LoadFile
from storage.load_piece import Piece
from storage.load_records import inferred
from storage.ranking import Ranking
from storage.technologies import FORMATS
from storage.vector_row import Metric
from storage.vectors import Vectors

PLAIN_KEY = "key"
"""A column of this name is the key and nothing else; another one that is named as the key is a field as well."""


@dataclass(frozen=True)
class Given:
    """What somebody says of a file.

    Attributes:
        key: the column with the keys of records and documents.
        schema: Avro schema of records; None = as the storage has it, or as the columns are.
        metric: of vectors; None = as the storage has it, or "cosine".
    """

    key: str = PLAIN_KEY
    schema: Mapping[str, Any] | None = None
    metric: Metric | None = None


def described(
    technology: str, format: str, name: str, file: LoadFile, first: Piece, given: Given, before: Descriptor | None
) -> Descriptor:
    """The descriptor of a version with a file's rows; its version, writer and times are nobody's yet.

    Args:
        first: the file's first rows.
        before: the version whose options and schema are carried over; None = there is none.

    Raises:
        FormatRefused: such a storage cannot be loaded.
        FileRefused: the file does not say what the storage is.
    """
    found = before or _declared(format, name, first, given).describe("", 1, 1, "")
    options, schema = dict(found.options), found.schema
    if given.metric is not None and format == "vectors":
        options["metric"] = given.metric
    if format == "records":
        schema = given.schema or schema or _inferred(name, file, first, given)
    return replace(found, technology=technology, options=options, schema=schema, topic="")


def must_load(format: str) -> None:
    """Raise FormatRefused for what no file can hold."""
    if format == "parameters":
        raise FormatRefused(
            "A model's parameters are what a learner has trained, one set per unit, and no rows of a file; fit the "
            "model in a learner, or serve what you have as vectors or records."
        )
    if format not in FORMATS:
        raise FormatRefused(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")


def _declared(format: str, name: str, first: Piece, given: Given) -> Format:
    match format:
        case "ranking":
            return Ranking(name)
        case "counters":
            return Counters(name)
        case "vectors":
            return Vectors(name, max(1, len(first.column("vector", "vector")[0])), given.metric or "cosine")
        case _:
            return _Plain(name)


class _Plain(Format):
    """Records, whose schema comes later."""

    format = "records"


def _inferred(name: str, file: LoadFile, first: Piece, given: Given) -> Mapping[str, Any]:
    frame = first.sample()
    return inferred(name, frame.drop(given.key, strict=False) if given.key == PLAIN_KEY else frame, file.optional)
