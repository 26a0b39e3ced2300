"""Vectors as pgvector reads them, in binary: its type is an extension's, so that the driver must be told of it."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo

from storage.errors import WriteRefused
from storage.relational.tables import Table


class Embedding(bytes):
    """A row of a vectors' table, to be written as a vector."""

    __slots__ = ()


def adapt_vectors(connection: psycopg.Connection[Any]) -> None:
    """Let a connection write embeddings."""
    types = connection.adapters.types
    if types.get("vector") is None:
        found = connection.execute("SELECT oid::bigint, typarray::bigint FROM pg_type WHERE oid = 'vector'::regtype")
        [(oid, array_oid)] = found.fetchall()
        TypeInfo("vector", oid, array_oid).register(connection)
        connection.adapters.register_dumper(Embedding, type("VectorDumper", (_Dumper,), {"oid": oid}))


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Embedding) -> bytes:
        """Its length, 2 bytes that mean nothing, and the numbers in network order."""
        return struct.pack(">HH", len(obj) // 4, 0) + np.frombuffer(obj, "<f4").astype(">f4").tobytes()


def embedding(row: bytes, table: Table) -> Embedding:
    """A row as a vector of the table's dimensions.

    Raises:
        WriteRefused: it is none.
    """
    dimensions = int(table.options["dimensions"])
    if len(row) != 4 * dimensions:
        raise WriteRefused(f"A vector of {dimensions} dimensions has {4 * dimensions} bytes, not {len(row)}.")
    return Embedding(row)
