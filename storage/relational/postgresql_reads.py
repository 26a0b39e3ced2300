"""One PostgreSQL as the models service reads it: what is asked for in one tick of the loop travels together, and equal
statements as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from storage.errors import StorageUnavailable
from storage.relational.database import Answers, Question, TableGone, Values
from storage.relational.postgresql_lane import Lane
from storage.relational.postgresql_server import PostgresqlServer
from storage.relational.tables import ALL_ROWS, Statement, Table

SLACK = 32
"""So many rows more than asked for are looked at again: pgvector computes in float32, and what is nearest is decided
in float64."""
_SMALL = 8 << 20
_DISTANCES = {"cosine": "<=>", "dot": "<#>", "euclidean": "<->"}

_SEARCH = Statement(
    """
    WITH asked AS (
        SELECT lexeme FROM unnest(to_tsvector('simple', {0}))
    ), found AS (
        SELECT asked.lexeme, held.key, held.length,
               (SELECT cardinality(positions) FROM unnest(held.words) AS word WHERE word.lexeme = asked.lexeme) AS n
        FROM asked JOIN {table} AS held ON held.words @@ plainto_tsquery('simple', asked.lexeme)
    ), rarity AS (
        SELECT lexeme, ln(1 + (greatest(held.rows, count(*)) - count(*) + 0.5) / (count(*) + 0.5)) AS idf
        FROM found, (SELECT reltuples::double precision AS rows FROM pg_class WHERE oid = '{table}'::regclass) AS held
        GROUP BY lexeme, held.rows
    ), mean AS (
        SELECT avg(length)::double precision AS length FROM found
    )
    SELECT key, sum(idf * n * 2.2 / (n + 0.3 + 0.9 * found.length / mean.length))::double precision AS relevance
    FROM found JOIN rarity USING (lexeme) CROSS JOIN mean
    GROUP BY key ORDER BY relevance DESC, key LIMIT {1}
    """,
    ("text", "integer"),
)
"""BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza 2009, section 3.5). How many rows there are is what the last
ANALYZE said, and how long they are on average is taken from those that have one of the words."""


class PostgresqlSource:
    """See `Source`. Two connections for each event loop: one for small questions, and one for those that look at many
    rows."""

    file = None

    def __init__(self, address: str, timeout: float = 1.0) -> None:
        """Connects with the first call. Takes the addresses of `Postgresql`.

        Args:
            timeout: seconds until StorageUnavailable.
        """
        self._server = PostgresqlServer(address, timeout)
        self._lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Lane, Lane]] = WeakKeyDictionary()

    async def ask(self, questions: Sequence[Question]) -> list[Answers]:
        """See `Source.ask`."""
        if not questions:
            return []
        return await self._lane(any(item.slow for item in questions)).ask(questions)

    async def tell(self, statement: Statement, rows: Sequence[Values]) -> None:
        """See `Source.tell`."""
        try:
            await self.ask([Question(statement, None, [row]) for row in rows])
        except TableGone as error:
            raise StorageUnavailable(f"{error} Nobody has written to this database yet.") from error

    def count(self, table: Table) -> Question:
        """See `Source.count`. Counted where the table is small; else what the last ANALYZE said."""
        counted = f"WHEN pg_relation_size('{{table}}') < {_SMALL} THEN (SELECT count(*) FROM {{table}})"
        known = "WHEN reltuples >= 0 THEN reltuples::bigint"
        return _whole(table, f"SELECT CASE {counted} {known} END FROM pg_class WHERE oid = '{{table}}'::regclass")

    def size(self, table: Table) -> Question:
        """See `Source.size`. With indexes."""
        return _whole(table, "SELECT pg_total_relation_size('{table}')")

    async def near(self, table: Table, vector: bytes, size: int, metric: str) -> list[Values]:
        """See `Source.near`. By pgvector, which looks at all rows and is exact; without it, all rows come here."""
        if not table.options.get("pgvector"):
            [[rows]] = await self.ask([Question(ALL_ROWS, table, [()], slow=True)])
            return rows
        order = f"embedding {_DISTANCES[metric]} {{0}}::text::vector, key"
        nearest = Statement(f"SELECT key, value FROM {{table}} ORDER BY {order} LIMIT {{1}}", ("text", "integer"))
        wanted = f"[{','.join(map(str, np.frombuffer(vector, '<f4')))}]"
        [[rows]] = await self.ask([Question(nearest, table, [(wanted, size + SLACK)], slow=True)])
        return rows

    async def search(self, table: Table, words: Sequence[str], size: int) -> list[Values]:
        """See `Source.search`."""
        [[rows]] = await self.ask([Question(_SEARCH, table, [(" ".join(words), size)], slow=True)])
        return rows

    async def close(self) -> None:
        """See `Source.close`."""
        for lane in self._lanes.pop(asyncio.get_running_loop(), ()):
            await lane.close()

    def _lane(self, slow: bool) -> Lane:
        loop = asyncio.get_running_loop()
        found = self._lanes.get(loop)
        if found is None:
            found = self._lanes[loop] = (Lane(self._server), Lane(self._server))
        return found[slow]


def _whole(table: Table, text: str) -> Question:
    return Question(Statement(text), table, [()], slow=True)
