"""What a query of a PostgreSQL says, read once, in pieces: of somebody else's database, which is not written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import FloatLoader
from psycopg.types.string import TextLoader

from storage.errors import FileRefused, StorageUnavailable
from storage.exposure import Exposure, exposure
from storage.loads.piece import FramePiece

_INTEGER, _NUMBER, _TEXT = pl.Int64(), pl.Float64(), pl.String()
_TYPES: dict[int, pl.DataType] = {
    **dict.fromkeys((20, 21, 23), _INTEGER),  # int8, int2, int4
    **dict.fromkeys((700, 701, 1700), _NUMBER),  # float4, float8, numeric
    **dict.fromkeys((18, 19, 25, 1042, 1043, 114, 3802, 2950), _TEXT),  # texts of all kinds, json, jsonb, uuid
    16: pl.Boolean(),
    1082: pl.Date(),
    1114: pl.Datetime("us"),
    1184: pl.Datetime("us", "UTC"),
}
"""By PostgreSQL's number of a type (pg_type.oid), how a column of it is read."""
_AS_TEXT = ("json", "jsonb", "uuid")
_HERE = {"host": "", "hostaddr": "", "port": "5432"}
"""What an address means that does not say it; else the environment (PGHOST, ...) would."""
_FIRST, _MOST, _BYTES = 100, 20_000, 4 << 20


class PostgresqlQuery:
    """One query, in one read-only transaction, by a cursor of the server's. Reading blocks.

    Attributes:
        read: nobody knows how much there is: 0 until it is done, and 1 then.
    """

    def __init__(self, name: str, address: str, query: str, timeout: float, insecure: bool = False) -> None:
        """
        Args:
            name: for messages.
            address: `postgresql://user:password@host:port/database?sslmode=verify-full`; in no message.
            timeout: seconds that all of it may take.
            insecure: whether a database off this machine may be asked without TLS and credentials.

        Raises:
            FileRefused: the address is none, or is open to strangers.
        """
        self.name, self.read = name, 0.0
        self._query, self._timeout = query, timeout
        try:
            parts: dict[str, Any] = conninfo_to_dict(address)
        except psycopg.Error:
            parts = {}
        if not address.startswith(("postgresql://", "postgres://")) or not parts or "service" in parts:
            raise FileRefused(f"{name}: its database is no address such as postgresql://user:password@host/database.")
        if exposure(address) is Exposure.OPEN and not insecure:
            raise FileRefused(
                f"{name}: its database is not on this machine and is {Exposure.OPEN.value}. Give its address TLS and "
                "credentials, or, where its network lets nobody else in, set allow_insecure_stores = true."
            )
        self._password = str(parts.get("password") or "")
        limits = f"-c timezone=UTC -c statement_timeout={round(timeout * 1000)} {parts.pop('options', '')}"
        own = {"options": limits, "connect_timeout": 10, "application_name": "millrace", "client_encoding": "UTF8"}
        self._parts: dict[str, Any] = {**_HERE, **parts, **own}

    def pieces(self) -> Iterator[FramePiece]:
        """The rows, in the order in which the database gives them; no piece is empty.

        Raises:
            FileRefused: the database refuses the query, or a column has a type that is not read.
            StorageUnavailable: it does not answer, or not in time.
        """
        until, first, at_once = time.monotonic() + self._timeout, 0, _FIRST
        with self._asking(), psycopg.connect(**self._parts) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.cursor(name="millrace") as cursor:
                cursor.adapters.register_loader("numeric", FloatLoader)
                for kind in _AS_TEXT:
                    cursor.adapters.register_loader(kind, TextLoader)
                cursor.execute(self._query)
                types = self._types(cursor.description or ())
                while rows := cursor.fetchmany(at_once):
                    frame = pl.DataFrame(rows, schema=types, orient="row", infer_schema_length=None)
                    yield FramePiece(self.name, first, _row, frame)
                    first += len(rows)
                    at_once = max(1, min(_MOST, int(_BYTES / (frame.estimated_size() / len(rows) + 1))))
                    if time.monotonic() > until:
                        raise StorageUnavailable(f"{self.name}: not all was read within {self._timeout:g} s.")
        self.read = 1.0

    def _types(self, columns: Sequence[psycopg.Column]) -> dict[str, pl.DataType]:
        found: dict[str, pl.DataType] = {}
        for column in columns:
            if column.type_code not in _TYPES:
                raise FileRefused(
                    f"{self.name}: the column {column.name!r} has a type that is not read ({column.type_display}); "
                    f"cast it in the query, such as {column.name}::text."
                )
            if column.name in found:
                raise FileRefused(
                    f"{self.name}: the column {column.name!r} is there twice; name one of them otherwise."
                )
            found[column.name] = _TYPES[column.type_code]
        return found

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, OSError) as error:
            raise StorageUnavailable(f"{self.name}: the database does not answer: {self._said(error)}.") from None
        except psycopg.Error as error:
            raise FileRefused(f"{self.name}: the database refuses the query: {self._said(error)}.") from None

    def _said(self, error: Exception) -> str:
        text = " ".join(str(error).split()).rstrip(".")
        return text.replace(self._password, "***") if self._password else text


def _row(row: int) -> str:
    return f"row {row + 1}"
