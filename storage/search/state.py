"""Single documents that change by compare-and-set: what makes one step of the protocol atomic here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch

from storage.errors import FormatRefused, StorageUnavailable
from storage.search.connection import Server
from storage.search.index import state_body, writes_to


@dataclass(frozen=True, slots=True)
class Found:
    """A document as it was read, and what tells whether it has changed since."""

    source: Mapping[str, Any]
    number: int
    term: int


class State:
    """The documents of one index, read by id; reads are of what was acknowledged before, without a refresh."""

    def __init__(self, server: Server, client: OpenSearch, index: str) -> None:
        self._server, self._client, self._index = server, client, index

    def get(self, key: str) -> Found | None:
        """A document; None if there is none."""
        [found] = self.get_many([key])
        return found

    def get_many(self, keys: Sequence[str]) -> list[Found | None]:
        """Documents in the order asked for, each as its primary has it."""
        if not keys:
            return []
        with self._server.reading():
            answer = self._client.mget(index=self._index, body={"ids": keys}, params={"preference": "_primary"})
        return [self._found(item) for item in answer["docs"]]

    def swap(self, key: str, before: Found | None, source: Mapping[str, Any]) -> bool:
        """Replace what was read; False if it has changed since, and nothing was written.

        Raises:
            UnknownOutcome: there is no answer.
        """
        condition: dict[str, Any] = {"op_type": "create"}
        if before is not None:
            condition = {"if_seq_no": before.number, "if_primary_term": before.term}
        request = {"index": writes_to(self._index), "id": key, "body": source}
        with self._server.writing():
            params = {**condition, "require_alias": "true"}
            answer = self._client.index(**request, params=params, ignore=(404, 409))
            if answer.get("status") == 404:
                make(self._client, self._index, state_body(self._index))
                answer = self._client.index(**request, params=params, ignore=409)
        return "result" in answer

    def remove(self, keys: Iterable[str]) -> None:
        """Remove documents, whatever they are by now."""
        with self._server.reading():
            for key in keys:
                self._client.delete(index=self._index, id=key, ignore=404)

    def _found(self, item: Mapping[str, Any]) -> Found | None:
        if is_missing(item, self._server):
            return None
        return Found(item["_source"], item["_seq_no"], item["_primary_term"])


def is_missing(item: Mapping[str, Any], server: Server) -> bool:
    """Whether a document that was asked for by id does not exist. Raises StorageUnavailable if nobody can tell now."""
    error = item.get("error")
    if error is not None and error["type"] != "index_not_found_exception":
        raise StorageUnavailable(f"OpenSearch at {server.place} cannot read {item['_index']} now: {error['reason']}.")
    return not item.get("found")


def make(client: OpenSearch, index: str, body: Mapping[str, Any]) -> bool:
    """Create an index; False if it exists."""
    answer = client.indices.create(index=index, body=body, ignore=400)
    return was_made(index, answer)


def was_made(index: str, answer: Mapping[str, Any]) -> bool:
    """Whether an index was created; False if it exists already.

    Raises:
        FormatRefused: the engine refuses it.
        StorageUnavailable: there are as many shards as it may have.
    """
    error = answer.get("error")
    if error is None:
        return True
    if error["type"] == "resource_already_exists_exception":
        return False
    full = error["type"] == "validation_exception" and "shards open" in error["reason"]
    kind = StorageUnavailable if full else FormatRefused
    raise kind(f"OpenSearch cannot make the index {index}: {error['reason'].rstrip(';')}.")
