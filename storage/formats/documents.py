"""Documents: per key some fields, owned by one unit, to be found by the words in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from storage.errors import FormatRefused, SuspectGeneration, WriteRefused
from storage.formats.columns import last_rows
from storage.formats.document_row import Document, Field, document_of, row_of
from storage.formats.frames import document_frame
from storage.formats.owned import Owned


class Documents(Owned[Document]):
    """One document for each key, replaced as a whole; found by full text where the technology can: search, relational.

    Args:
        fields: what a document has; all of them are searched. Each is a text, a number, a truth value or a list of
            texts; one that is None is left out.

    Raises:
        FormatRefused: no field, or one twice.
    """

    format: ClassVar[str] = "documents"

    def __init__(self, name: str, fields: Sequence[str], technology: str | None = None) -> None:
        super().__init__(name, technology)
        if isinstance(fields, str) or not fields or len(set(fields)) != len(fields) or not all(fields):
            raise FormatRefused(f"{self.storage} has the fields {fields!r}; name one or more, each once.")
        self.fields = tuple(fields)

    @property
    def options(self) -> Mapping[str, Any]:
        """The fields, and that documents are found by words."""
        return {"index": "text", "fields": list(self.fields)}

    def put(self, frame: pl.DataFrame, key: str) -> None:
        """Replace the documents of a frame's keys; of several rows for one key the last counts.

        Args:
            frame: has at least a column for each field.
            key: the column that is the topic's key.

        Raises:
            PutRefused: `key` is another column.
            WriteRefused: a null key, a missing column, or a value that no field can have.
        """
        self.session.must_own(self.storage, key)
        if not frame.height:
            return
        keys, rows = last_rows(frame, key, self.fields, self.storage)
        for name, document in zip(keys, rows.iter_rows(named=True), strict=True):
            self._put(name, _present(document))

    def put_one(self, key: str, document: Mapping[str, Field | None]) -> None:
        """Replace one document.

        Raises:
            PutRefused: its key is not that of an event being folded.
            WriteRefused: a field that was not declared, or a value that no field can have.
        """
        self.session.must_own_row(self.storage, key)
        self._put(key, _present(document))

    def load(self, keys: Iterable[Any]) -> pl.DataFrame:
        """The documents of those keys that have one, as a frame of `key` and the fields, in the order of the keys.

        One read for all; `get` then finds them in memory. Raises PutRefused as `get` does.
        """
        return document_frame(self._rows(keys), self.fields)

    def _encoded(self, key: str, value: Document) -> bytes:
        try:
            return row_of(value, self.fields)
        except ValueError as error:
            raise WriteRefused(f"{self.storage}: the document of {key!r} is refused: {error}.") from error

    def _decoded(self, key: str, row: bytes) -> Document:
        try:
            return document_of(row)
        except ValueError as error:
            raise SuspectGeneration(f"{self.storage} of {key!r} is no document ({error}); rebuild it.") from error

    def _copied(self, value: Document) -> Document:
        return {name: field.copy() if isinstance(field, list) else field for name, field in value.items()}


def _present(document: Mapping[str, Field | None]) -> Document:
    return {name: value for name, value in document.items() if value is not None}
