"""What a loaded version is to be: as the storage was, or as the file says where there is none yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.formats.blank import blank
from storage.loads.file import LoadFile
from storage.loads.piece import Piece
from storage.loads.records import inferred
from storage.options import Metric

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
    if format == "parameters":
        raise FormatRefused(
            "A model's parameters are what a learner has trained, one set per unit, and no rows of a file; train the "
            "model in a learner, or load what you have as vectors or records."
        )
    if before is None:
        schema = (given.schema or _inferred(name, file, first, given)) if format == "records" else None
        return blank(technology, format, name, _options(format, first, given), schema)
    if "window_ms" in before.options:
        raise FormatRefused(
            f"{before.title} is kept by window of event time, which a learner fills: a file has no watermark, by which "
            "windows end and go. Load into a storage of another name."
        )
    if format == "vectors" and given.metric not in (None, before.options["metric"]):
        raise FormatRefused(
            f"{before.title} has the metric {before.options['metric']}, which a load keeps: {given.metric} changes"
            " what its readers are told. Leave the metric out, or load into a storage of another name."
        )
    return replace(before, schema=given.schema or before.schema, topic="")


def _options(format: str, first: Piece, given: Given) -> dict[str, Any]:
    """What the file says of a storage that is not there yet."""
    if format == "vectors":
        return {"dimensions": len(first.column("vector", "vector")[0]), "metric": given.metric}
    if format == "documents":
        columns = dict.fromkeys(name for row in first.values() for name in row)
        return {"fields": [name for name in columns if name != given.key or name != PLAIN_KEY]}
    return {}


def _inferred(name: str, file: LoadFile, first: Piece, given: Given) -> Mapping[str, Any]:
    frame = first.sample()
    return inferred(name, frame.drop(given.key, strict=False) if given.key == PLAIN_KEY else frame, file.optional)
