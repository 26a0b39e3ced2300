"""A PostgreSQL server: its address, statements in its words, and its errors in this room's words."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import psycopg
from psycopg import errors, postgres
from psycopg.abc import Buffer
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import FloatBinaryDumper, Int8BinaryDumper

from storage.errors import FormatRefused, StorageError, StorageUnavailable
from storage.handshake import perhaps
from storage.relational.database import Answers, OutOfRange, Repeated, TableGone, TryAgain, Values
from storage.relational.tables import Statement, Table, Type

TYPES: dict[Type, str] = {"bytes": "bytea", "integer": "bigint", "number": "double precision", "text": "text"}
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_HERE = {"host": "", "hostaddr": "", "port": "5432"}
"""What an address means that does not say it; else the environment (PGHOST, PGHOSTADDR, PGSERVICE, PGPORT) would, and
the address that was judged would not be where models are written."""
_LENGTH, _BIGINT = struct.Struct(">i").pack, postgres.types["int8"].oid
_INTEGER = np.dtype([("length", ">i4"), ("value", ">i8")])
_WITH_TLS = ("require", "verify-ca", "verify-full")
_MEANINGS: dict[type[StorageError], tuple[type[psycopg.Error], ...]] = {
    Repeated: (errors.UniqueViolation,),
    OutOfRange: (errors.IntegrityError, errors.DataError, errors.ProgramLimitExceeded),
    TableGone: (errors.UndefinedTable,),
    TryAgain: (
        errors.SerializationFailure,
        errors.DeadlockDetected,
        errors.FeatureNotSupported,  # a prepared statement's table has changed
        errors.InternalError,  # a table was dropped between two looks at the catalogue
    ),
}


class PostgresqlServer:
    """Where it is, and how to connect. The password is in no message.

    Attributes:
        where: host, port and database, for messages, with the setting that says so.
    """

    def __init__(self, address: str, timeout: float) -> None:
        """
        Args:
            address: `postgresql://user:password@host:port/database?sslmode=verify-full`, as libpq understands it.
            timeout: seconds without an answer after which a call gives up.

        Raises:
            FormatRefused: it is no such address.
        """
        try:
            parts: dict[str, Any] = conninfo_to_dict(address)
        except psycopg.Error:
            parts = {}
        self._password = str(parts.get("password") or "")
        host = str(parts.get("hostaddr") or parts.get("host") or "")
        if "service" in parts:
            raise FormatRefused(
                "relational_url names a service, so that it does not say where the database is; write "
                "postgresql://user:password@host:port/database."
            )
        if not parts or "@" in host:
            raise FormatRefused(
                "relational_url is no address that libpq understands: postgresql://user:password@host:port/database, "
                "with what is no letter or digit in the password written as %40 and the like."
            ) from None
        place = {**_HERE, **parts}
        self.where = f"{host or 'its local socket'}:{place['port']}/{parts.get('dbname') or parts.get('user') or ''}"
        self.where += " (relational_url)"
        self.timeout = timeout
        limits = {"connect_timeout": max(2, round(timeout)), "application_name": "millrace"}
        encoded = {"client_encoding": "UTF8"}  # texts are texts, whatever the database was made with
        self.parameters: dict[str, Any] = {**limits, **place, **encoded}

    def unavailable(self, why: object) -> StorageUnavailable:
        """The error that says why it cannot be used."""
        return StorageUnavailable(f"PostgreSQL at {self.where} cannot be used: {self.said(why)}.")

    def said(self, error: object) -> str:
        """The first line of what was said, without the password."""
        line = (str(error).strip().splitlines() or ["it does not answer"])[0].rstrip(".")
        if line.startswith("connection failed"):
            line += perhaps(line, self.parameters.get("sslmode", "") in _WITH_TLS, "sslmode")
        return line.replace(self._password, "***") if self._password else line

    @contextmanager
    def translated(self) -> Iterator[None]:
        """The driver's errors as this room's."""
        try:
            yield
        except (psycopg.Error, TimeoutError) as error:
            raise self.meaning(error) from error

    def meaning(self, error: BaseException) -> StorageError:
        """What an error of the driver means."""
        for kind, causes in _MEANINGS.items():
            if isinstance(error, causes):
                return kind(f"PostgreSQL at {self.where}: {self.said(error)}.")
        if isinstance(error, errors.DiskFull):
            return self.unavailable(f"{self.said(error)}; make room on its disk, and it goes on")
        return self.unavailable(error)


class _ArrayDumper(ListBinaryDumper):
    """Columns of bytes and of integers as wholes: value by value was half of a commit's encoding."""

    def _dump_list(self, column: list[Any], dim: int, dims: list[int], data: list[Buffer]) -> int:
        kinds = set(map(type, column))
        if kinds == {bytes}:
            data += chain.from_iterable(zip(map(_LENGTH, map(len, column)), column, strict=True))
        elif kinds == {int} and self.sub_dumper is not None and self.sub_dumper.oid == _BIGINT:
            values = np.empty(len(column), _INTEGER)
            values["length"], values["value"] = 8, column
            data.append(values.tobytes())
        else:
            return super()._dump_list(column, dim, dims, data)
        return 0


def adapt(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Values travel in binary, and numbers always as 8 bytes: a statement has one plan, whatever their size."""
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(float, FloatBinaryDumper)
    connection.adapters.register_dumper(list, _ArrayDumper)


@lru_cache(maxsize=4_096)
def sql(statement: Statement, table: Table | None) -> str:
    """A statement for one tuple of values."""
    places = (f"${place}" for place in range(1, len(statement.types) + 1))
    return statement.sql.format(*places, table=table.name if table is not None else "", now=_NOW)


@lru_cache(maxsize=4_096)
def sql_of_many(statement: Statement, table: Table | None) -> str:
    """A statement that reads, for many tuples of values at once: they come as arrays, and each row that is found says
    first which of them it belongs to."""
    names = [f"p{place}" for place in range(len(statement.types))]
    one = statement.sql.format(
        *(f"asked.{name}" for name in names), table=table.name if table is not None else "", now=_NOW
    )
    return (
        f"SELECT asked.place, found.* FROM {arrays([TYPES[type] for type in statement.types])} WITH ORDINALITY"
        f" AS asked({', '.join(names)}, place) CROSS JOIN LATERAL ({one}) AS found"
    )


def arrays(types: Sequence[str]) -> str:
    """Columns of these types, which travel as one array each, as rows."""
    return f"unnest({', '.join(f'${place}::{type}[]' for place, type in enumerate(types, start=1))})"


def columns(rows: Sequence[Values]) -> list[list[Any]]:
    """Rows as the arrays of their columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def split(rows: Sequence[Values], count: int) -> Answers:
    """The rows of each of so many tuples of values, from those that `sql_of_many` finds."""
    found: Answers = [[] for _ in range(count)]
    for place, *row in rows:
        found[place - 1].append(tuple(row))
    return found
