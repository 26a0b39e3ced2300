"""A relational database as the models service reads it, whichever database it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.formats.document_row import words
from storage.formats.vector_scan import nearest
from storage.listed import Listed
from storage.relational.catalogue import listed, rows_of
from storage.relational.database import Answers, Question, Source, TableGone, Values
from storage.relational.known import KnownTables, Tables
from storage.relational.rows import bucket_number, key_bytes
from storage.relational.tables import (
    ALIASES,
    KEEP_LEASE,
    NEWEST,
    ROW,
    SCORE,
    SOME_KEYS,
    SOME_SUMS,
    STORAGES,
    SUMS,
    TABLES,
    TOP,
    UNITS,
    Kind,
    Statement,
    Table,
)
from storage.relational.unit import unit_states
from storage.technology import Newest
from storage.unit import UnitState

Pair = tuple[str, float]
T = TypeVar("T")


class RelationalReads:
    """See `Reads` for what its methods promise. What nobody has written reads as nothing: a reader makes no table."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tables = KnownTables()

    async def listed(self) -> Listed:
        """See `Reads.listed`. Of one moment in SQLite."""
        questions = [Question(STORAGES, None, [()]), Question(ALIASES, None, [()])]
        try:
            [storages], [names] = await self._source.ask(questions)
        except TableGone:
            return Listed()
        return listed(storages, names)

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        if titles:
            await self._source.tell(KEEP_LEASE, [(title, until_ms) for title in sorted(titles)])

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        rows = await self._all(UNITS, descriptor.learner, descriptor.generation, descriptor.topic)
        return unit_states(descriptor, rows)

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        found = await self._rows(descriptor, "puts", ROW, [(key_bytes(key),) for key in keys])
        return [rows[0][0] if rows else None for rows in found]

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        found = await self._rows(descriptor, "sums", SUMS, [(key_bytes(key),) for key in keys])
        return [{name.decode(): value for name, value in rows} for rows in found]

    async def some_sums(self, descriptor: Descriptor, key: str, size: int) -> dict[str, int]:
        """See `Reads.some_sums`."""
        [rows] = await self._rows(descriptor, "sums", SOME_SUMS, [(key_bytes(key), size)])
        return {name.decode(): value for name, value in rows}

    async def top(self, descriptor: Descriptor, rows: Sequence[Address], size: int) -> tuple[Newest, list[list[Pair]]]:
        """See `Reads.top`."""
        wanted = [(key_bytes(row.key), bucket_number(row), max(0, size)) for row in rows]
        newest, found = await self._scored(descriptor, "scores", TOP, wanted, rows)
        return newest, [[(member.decode(), score) for member, score in row] for row in found]

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`."""
        wanted = [
            (key_bytes(row.key), bucket_number(row), key_bytes(member)) for row, members in rows for member in members
        ]
        newest, found = await self._scored(descriptor, "scores", SCORE, wanted, [row for row, _ in rows])
        values = iter([answer[0][0] if answer else None for answer in found])
        return newest, [[next(values) for _ in members] for _, members in rows]

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[Pair]:
        """See `Reads.nearest`. Exact; where the database cannot choose, all rows are looked at here, in a thread."""
        if descriptor.index != "vector":
            raise _without(descriptor, "vector")
        metric = str(descriptor.options["metric"])
        nobody: list[Values] = []
        rows = await self._at(descriptor, "puts", lambda table: self._source.near(table, vector, size, metric), nobody)
        found = [(key.decode(), row) for key, row in rows]
        return await asyncio.to_thread(nearest, found, vector, size, metric)

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[Pair]:
        """See `Reads.search`. A row fits that has one of the words; its relevance is BM25."""
        if descriptor.index != "text":
            raise _without(descriptor, "text")
        asked = list(dict.fromkeys(words(text)))
        if not asked or size <= 0:
            return []
        nobody: list[Values] = []
        rows = await self._at(descriptor, "puts", lambda table: self._source.search(table, asked, size), nobody)
        return [(key.decode(), relevance) for key, relevance in rows]

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """See `Reads.keys`. The first ones."""
        found = await self._each(descriptor, lambda table: Question(SOME_KEYS, table, [(size,)], slow=True))
        return list(dict.fromkeys(key.decode() for rows in found for (key,) in rows))[:size]

    async def count(self, descriptor: Descriptor) -> int | None:
        """See `Reads.count`."""
        return _sum(await self._each(descriptor, self._source.count))

    async def size(self, descriptor: Descriptor) -> int | None:
        """See `Reads.size`."""
        return _sum(await self._each(descriptor, self._source.size))

    async def close(self) -> None:
        """See `Reads.close`. Closes the connections of the running loop."""
        await self._source.close()

    async def _rows(
        self, descriptor: Descriptor, kind: Kind, statement: Statement, wanted: Sequence[Values]
    ) -> Answers:
        """A row's own rows, for each that is wanted; nothing where there is no table."""
        _, found = await self._scored(descriptor, kind, statement, wanted, ())
        return found

    async def _scored(
        self,
        descriptor: Descriptor,
        kind: Kind,
        statement: Statement,
        wanted: Sequence[Values],
        rows: Iterable[Address],
    ) -> tuple[Newest, Answers]:
        """The same, and what is newest where one of the rows has a bucket."""
        nothing: list[Answers] = [[[] for _ in wanted], [[(None, None)]]]
        if any(row.bucket is not None for row in rows):
            newest = [Question(NEWEST, None, [rows_of(descriptor, descriptor.storage)])]
        else:
            newest = []

        def asked(table: Table) -> Awaitable[list[Answers]]:
            return self._source.ask([Question(statement, table, wanted), *newest])

        found, *state = await self._at(descriptor, kind, asked, nothing) if wanted else nothing
        return Newest(*state[0][0][0]) if newest else Newest(), found

    async def _each(self, descriptor: Descriptor, question: Callable[[Table], Question]) -> list[list[Values]]:
        """What all tables of a storage answer."""
        try:
            tables = await self._of(descriptor)
            return [answer for [answer] in await self._source.ask([question(table) for table in tables.values()])]
        except TableGone:
            self._tables.forget()
            return []

    async def _at(self, descriptor: Descriptor, kind: Kind, use: Callable[[Table], Awaitable[T]], nothing: T) -> T:
        """What is read from a table; of one that was erased and made anew the second time."""
        for _ in range(2):
            table = (await self._of(descriptor)).get(kind)
            if table is None:
                return nothing
            try:
                return await use(table)
            except TableGone:
                self._tables.forget()
        return nothing

    async def _of(self, descriptor: Descriptor) -> Tables:
        storage, file = descriptor.storage, self._source.file
        known = self._tables.known(file, descriptor, storage)
        if known is None:
            rows = await self._all(TABLES, *rows_of(descriptor, storage))
            known = self._tables.learn(file, descriptor, storage, rows)
        return known

    async def _all(self, statement: Statement, *values: Any) -> list[Values]:
        """What one of the tables answers that are always there; nothing before they are made."""
        try:
            [[rows]] = await self._source.ask([Question(statement, None, [values])])
        except TableGone:
            return []
        return rows


def _without(descriptor: Descriptor, index: str) -> FormatRefused:
    return FormatRefused(f"{descriptor.title} has no index {index!r}, so that its rows are only found by their keys.")


def _sum(answers: Iterable[Sequence[Values]]) -> int | None:
    """Of what several tables answer; None if one cannot tell."""
    numbers = [number for [(number,)] in answers]
    return None if None in numbers else sum(numbers)
