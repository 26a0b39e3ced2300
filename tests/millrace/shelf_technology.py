"""A technology as somebody would add it: one file, here around SQLite."""

from __future__ import annotations

from storage.relational.reads import RelationalReads
from storage.relational.relational import Relational
from storage.relational.sqlite import Sqlite
from storage.relational.sqlite_reads import SqliteSource
from storage.technology import Reads, Technology


class Shelf(Relational):
    """Rows in a file."""

    name = "shelf"


def opened(address: str) -> Technology:
    """See `kinds.Kind`: `shelf:///folder`."""
    return Shelf(Sqlite(_file(address)))


def opened_reads(address: str) -> Reads:
    """See `kinds.Kind`: the addresses of `opened`."""
    return RelationalReads(SqliteSource(_file(address)))


def _file(address: str) -> str:
    return f"sqlite:///{address.removeprefix('shelf://')}/shelf.db"
