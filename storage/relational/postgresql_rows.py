"""Statements of one PostgreSQL transaction: whole columns travel as arrays, the rows of a load by COPY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from storage.relational.database import Answers, Question, Values
from storage.relational.postgresql_server import TYPES, arrays, columns, split, sql, sql_of_many
from storage.relational.postgresql_vector import adapt_vectors, embedding
from storage.relational.rows import document_words
from storage.relational.tables import COLUMNS, Statement, Table, created


class _Column(NamedTuple):
    """A column besides those of a table's kind, which repeats what its rows are found by.

    Attributes:
        name: of the column, and of the value that it is made of.
        kept: its type.
        given: the type of that value.
        made: SQL that makes it.
    """

    name: str
    kept: str
    given: str
    made: str


class PostgresqlTransaction:
    """See `Transaction`."""

    file = None

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statement: Statement, *values: Any, table: Table | None = None) -> list[Values]:
        return self._run(sql(statement, table), values)

    def ask(self, question: Question) -> Answers:
        if len(question.values) == 1:
            return [self._run(sql(question.statement, question.table), question.values[0])]
        found = self._run(sql_of_many(question.statement, question.table), columns(question.values))
        return split(found, len(question.values))

    def write(self, table: Table, rows: Sequence[Values], conflict: str) -> None:
        if table.options.get("pgvector"):
            adapt_vectors(self._connection)
        if not conflict and table.index != "text":
            self._copy(table, _widened(table, rows))
        elif rows:
            self._run(_insert(table, conflict), columns(_widened(table, rows)))

    def forget(self, table: Table, keys: Sequence[Values]) -> None:
        """It is all in the rows."""

    def create(self, table: Table) -> None:
        more = _more(table)
        for statement in created(table, TYPES, "", "".join(f"{item.name} {item.kept} NOT NULL, " for item in more)):
            self._connection.execute(statement)
        if table.index == "text":
            self._connection.execute(f"CREATE INDEX {table.name}_words ON {table.name} USING gin (words)")

    def drop(self, table: Table) -> None:
        self._connection.execute(f"DROP TABLE IF EXISTS {table.name}")

    def _run(self, text: str, values: Sequence[Any]) -> list[Values]:
        cursor = self._connection.execute(text, values, binary=True)
        return cursor.fetchall() if cursor.description is not None else []

    def _copy(self, table: Table, rows: Sequence[Values]) -> None:
        types = {name: TYPES[type] for name, type in COLUMNS[table.kind].items()}
        types |= {item.name: item.given for item in _more(table)}
        with self._connection.cursor() as cursor:
            with cursor.copy(f"COPY {table.name} ({', '.join(types)}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(list(types.values()))
                for row in rows:
                    copy.write_row(row)


def has_pgvector(transaction: PostgresqlTransaction) -> bool:
    """Whether pgvector is in this database; it is brought in if it can be. Raises as any statement that is refused."""
    found = transaction.run(_AVAILABLE)
    if not found:
        return False
    [(installed,)] = found
    if not installed:
        transaction.run(_BRING)
    return True


_AVAILABLE = Statement("SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'vector'")
_BRING = Statement("CREATE EXTENSION IF NOT EXISTS vector")


def _more(table: Table) -> list[_Column]:
    if table.index == "text":
        return [
            _Column("words", "tsvector", "text", "to_tsvector('simple', words)"),
            _Column("length", "integer", "bigint", "length"),
        ]
    if table.options.get("pgvector"):
        return [_Column("embedding", f"vector({int(table.options['dimensions'])})", "vector", "embedding")]
    return []


def _insert(table: Table, conflict: str) -> str:
    plain, more = COLUMNS[table.kind], _more(table)
    names = ", ".join([*plain, *(item.name for item in more)])
    made = ", ".join([*plain, *(item.made for item in more)])
    given = arrays([*(TYPES[type] for type in plain.values()), *(item.given for item in more)])
    replaced = "".join(f", {item.name} = excluded.{item.name}" for item in more) if conflict else ""
    return (
        f"INSERT INTO {table.name} AS held ({names}) SELECT {made} FROM {given} AS given({names}) {conflict}{replaced}"
    )


def _widened(table: Table, rows: Sequence[Values]) -> Sequence[Values]:
    """Rows with what the other columns are made of."""
    if table.index == "text":
        found = [(row, document_words(row[0], row[1], table.options["fields"])) for row in rows]
        return [(*row, " ".join(words), len(words)) for row, words in found]
    if _more(table):
        return [(*row, embedding(row[1], table)) for row in rows]
    return rows
