"""OpenSearch as the models service reads it: rows by key as they were last written, searches as of a second ago."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from opensearchpy import AsyncOpenSearch

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable
from storage.formats.vector_scan import nearest
from storage.listed import Listed
from storage.search.catalogue import CATALOGUE, Content
from storage.search.connection import Server
from storage.search.fence import fence_id, members_id, names_of, state_of
from storage.search.index import LEASES, STATE, index_of, row_id, row_of, state_body, writes_to
from storage.search.query import Query, keys_of, likely_nearest, matching, some
from storage.search.state import is_missing, was_made
from storage.technology import Newest
from storage.tick import Tick
from storage.unit import UnitState

_ROWS, _SEARCHES = 1_000, 50
_Document = tuple[str, str]
"""Index and id."""
_Source = Mapping[str, Any]


class SearchReads:
    """One OpenSearch with k-NN, by its url; see `connection.Server`. One client for each event loop.

    Rows asked for in one tick of the loop travel in one request, and so do searches. Where an index is missing there
    are no rows.
    """

    def __init__(self, url: str, timeout: float = 1.0) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer until StorageUnavailable.
        """
        self._server = Server(url, timeout)
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()

    async def listed(self) -> Listed:
        """See `Reads.listed`."""
        [source] = await self._documents([(STATE, CATALOGUE)])
        return Content.of(source).listed()

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        if not titles:
            return
        leases = {"titles": dict.fromkeys(titles, until_ms)}
        request = {"index": writes_to(LEASES), "id": "leases", "body": {"doc": leases, "doc_as_upsert": True}}
        params = {"retry_on_conflict": 9, "require_alias": "true"}
        client = self._loop().client
        with self._server.reading():
            answer = await client.update(**request, params=params, ignore=404)
            if answer.get("status") == 404:
                await _make(client, LEASES)
                await client.update(**request, params=params)

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        [members] = await self._documents([(STATE, members_id(descriptor))])
        names = names_of(descriptor, members)
        found = await self._documents([(STATE, fence_id(descriptor, name)) for name in names])
        return [
            state_of(descriptor, name, source) for name, source in zip(names, found, strict=True) if source is not None
        ]

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        index = index_of(descriptor, descriptor.storage)
        found = await self._documents([(index, row_id(key)) for key in keys])
        return [None if source is None else row_of(source) for source in found]

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`. There are none here."""
        return [{} for _ in keys]

    async def some_sums(self, descriptor: Descriptor, key: str, size: int) -> dict[str, int]:
        """See `Reads.some_sums`. There are none here."""
        return {}

    async def top(
        self, descriptor: Descriptor, rows: Sequence[Address], size: int
    ) -> tuple[Newest, list[list[tuple[str, float]]]]:
        """See `Reads.top`. There are none here."""
        return Newest(), [[] for _ in rows]

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`. There are none here."""
        return Newest(), [[None] * len(members) for _, members in rows]

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[tuple[str, float]]:
        """See `Reads.nearest`. Of more than are wanted, that the index finds, exact numbers decide."""
        if size <= 0:
            return []
        hits = await self._search(likely_nearest(descriptor, vector, size))
        rows = [(str(hit["_source"]["key"]), row_of(hit["_source"])) for hit in hits]
        return nearest(rows, vector, size, str(descriptor.options["metric"]))

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[tuple[str, float]]:
        """See `Reads.search`."""
        if size <= 0:
            return []
        hits = await self._search(matching(descriptor, text, size))
        return [(str(hit["_source"]["key"]), float(hit["_score"])) for hit in hits]

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """See `Reads.keys`."""
        return keys_of(await self._search(some(descriptor, size))) if size > 0 else []

    async def count(self, descriptor: Descriptor) -> int | None:
        """See `Reads.count`."""
        index = index_of(descriptor, descriptor.storage)
        with self._server.reading():
            answer = await self._loop().client.count(index=index, ignore=404)
        return int(answer.get("count", 0))

    async def size(self, descriptor: Descriptor) -> int | None:
        """See `Reads.size`."""
        index = index_of(descriptor, descriptor.storage)
        with self._server.reading():
            answer = await self._loop().client.indices.stats(index=index, metric="store", ignore=404)
        return 0 if "_all" not in answer else int(answer["_all"]["primaries"]["store"]["size_in_bytes"])

    async def close(self) -> None:
        """See `Reads.close`. Closes the client of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop) or self._loops.setdefault(loop, _Loop(self._server))
        await found.close()

    async def _documents(self, wanted: Sequence[_Document]) -> list[_Source | None]:
        return await self._loop().documents.ask(wanted)

    async def _search(self, query: Query) -> list[_Source]:
        [hits] = await self._loop().searches.ask([query])
        return hits

    def _loop(self) -> _Loop:
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is None:
            found = self._loops[loop] = _Loop(self._server)
        if found.closed:
            raise StorageUnavailable(f"OpenSearch at {self._server.place} cannot be read: it is closed here.")
        return found


class _Loop:
    """The client of one event loop, and what is gathered for it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.closed = False
        self.client: AsyncOpenSearch = server.reading_client()
        self.documents: Tick[_Document, _Source | None] = Tick(self._get, _ROWS)
        self.searches: Tick[Query, list[_Source]] = Tick(self._find, _SEARCHES)

    async def close(self) -> None:
        self.closed = True
        await self.documents.close()
        await self.searches.close()
        await self.client.close()

    async def _get(self, wanted: Sequence[_Document]) -> list[_Source | None]:
        documents = [{"_index": index, "_id": key} for index, key in dict.fromkeys(wanted)]
        with self._server.reading():
            answer = await self.client.mget(body={"docs": documents})
        found = {
            document: None if is_missing(item, self._server) else item["_source"]
            for document, item in zip(dict.fromkeys(wanted), answer["docs"], strict=True)
        }
        return [found[document] for document in wanted]

    async def _find(self, queries: Sequence[Query]) -> list[list[_Source]]:
        body = [part for query in queries for part in ({"index": query.target}, query.body)]
        with self._server.reading():
            answer = await self.client.msearch(body=body)
        return [self._hits(query, item) for query, item in zip(queries, answer["responses"], strict=True)]

    def _hits(self, query: Query, answer: Mapping[str, Any]) -> list[_Source]:
        error = answer.get("error")
        if error is None:
            return list(answer["hits"]["hits"])
        if error["type"] == "index_not_found_exception":
            return []
        raise StorageUnavailable(f"OpenSearch at {self._server.place} cannot search {query.target}: {error['reason']}.")


async def _make(client: AsyncOpenSearch, index: str) -> None:
    was_made(index, await client.indices.create(index=index, body=state_body(index), ignore=400))
