"""Documents, read by key and found by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration
from storage.formats.document_row import Document, document_of
from storage.reader import Reader


class Found(NamedTuple):
    """A document that fits.

    Attributes:
        relevance: positive; only to be compared within one answer.
    """

    key: str
    relevance: float
    fields: Document


class DocumentsReader(Reader):
    """Reads `Documents`."""

    format = "documents"

    async def search(self, text: str, size: int) -> list[Found]:
        """The `size` documents that fit the words of a text best, best first, ties by key. Any text may be asked for:
        it holds no operators. A document is found at the latest a second after its commit.

        Raises:
            FormatRefused: this technology cannot search; the message names those that can.
        """
        reads, descriptor = self._locate()
        if size <= 0:
            return []
        scored = await reads.search(descriptor, text, size)
        rows = await reads.rows(descriptor, [key for key, _ in scored])
        return [
            Found(key, relevance, _document(descriptor, key, row))
            for (key, relevance), row in zip(scored, rows, strict=True)
            if row is not None
        ]

    async def get(self, key: str, *, fresh: bool = False) -> Document | None:
        """A key's document; None if there is none."""
        return (await self.get_many([key], fresh=fresh))[0]

    async def get_many(self, keys: Sequence[str], *, fresh: bool = False) -> list[Document | None]:
        """The same for many keys at once, in their order."""
        reads, descriptor = self._located(fresh)
        rows = await reads.rows(descriptor, keys)
        return [None if row is None else _document(descriptor, key, row) for key, row in zip(keys, rows, strict=True)]


def _document(descriptor: Descriptor, key: str, row: bytes) -> Document:
    try:
        return document_of(row)
    except ValueError as error:
        raise SuspectGeneration(
            f"{descriptor.title} of {key!r} is no document ({error}): somebody else has written it. Rebuild it in a "
            "new version."
        ) from error
