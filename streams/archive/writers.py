"""Notices when events come that a schema has written which was not seen before."""

from __future__ import annotations

from schemas.avro import Schema
from schemas.codec import SchemaSource


class Writers:
    """Writers' schemas, from another source.

    Attributes:
        news: whether one was asked for that had not been before. Whoever has seen that puts it back to False.
    """

    def __init__(self, source: SchemaSource) -> None:
        self._source, self._seen = source, set[int]()
        self.news = False

    def schema(self, schema_id: int) -> Schema:
        """See `SchemaSource`."""
        if schema_id not in self._seen:
            self.news = True
        found = self._source.schema(schema_id)
        self._seen.add(schema_id)
        return found
