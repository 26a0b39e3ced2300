"""What another program has written into a relational database, past everything that Millrace checks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from storage import Address, Catalogue, Technology, Writes
from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration
from storage.formats.blank import blank
from storage.relational.relational import opened, opened_reads
from storage.unit import UnitId
from storage.versions import delete

UNIT = UnitId("filming", 1, 1, "films", 0)
Scribble = Callable[[str], object]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rows.db'}"
    return str(request.getfixturevalue("postgresql_clean"))


@pytest.fixture
def technology(url: str) -> Iterator[Technology]:
    """With documents and counters that a learner writes."""
    with closing(opened(url)) as technology:
        for item in (_films(), _views()):
            technology.declare(item)
        writes = Writes(puts={Address("documents/films", "k"): b'{"title":"Alien"}'})
        writes.sums[Address("counters/views", "k")] = {"x": 1}
        technology.commit(technology.claim(UNIT, "owner"), None, 1, writes, 1_000)
        yield technology


@pytest.fixture
def scribble(url: str, technology: Technology) -> Iterator[Scribble]:
    """Sets a column of the row of `millrace_tables` that says where the documents are."""
    where = "WHERE storage = 'documents/films'"
    with closing(_connected(url)) as connection:

        def scribbled(change: str) -> None:
            connection.execute(f"UPDATE millrace_tables SET {change} {where}")
            connection.commit()

        yield scribbled


def _connected(url: str) -> sqlite3.Connection | psycopg.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else psycopg.connect(url)


def _films() -> Descriptor:
    return _learned(blank("relational", "documents", "films", {"fields": ["title"]}))


def _views() -> Descriptor:
    return _learned(blank("relational", "counters", "views", {}))


def _learned(item: Descriptor) -> Descriptor:
    return replace(item, technology="relational", writer="filming@1", topic="films", created="2026-01-01")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("options = '{'", "it is not JSON"),
        ("options = '[]'", "it is no JSON object"),
        ("""options = '{"index": "text"}'""", "`fields` is missing"),
        ("""options = '{"index": "text", "fields": "title"}'""", "`fields` is not a list of texts"),
        ("""options = '{"index": "vector", "pgvector": true}'""", "`dimensions` is missing"),
        ("kind = 'lists'", "`kind` is not one of puts, sums, scores"),
    ],
)
async def test_where_rows_are_that_cannot_be_read_stops_their_learner_and_hides_nothing_else(
    technology: Technology, scribble: Scribble, url: str, change: str, why: str
) -> None:
    scribble(change)
    said = f"Where the rows of documents/films are .*{why}.*Somebody else wrote it"
    with closing(opened(url)) as fresh:
        claim = fresh.claim(UNIT, "another")
        with pytest.raises(SuspectGeneration, match=said):
            fresh.commit(claim, 1, 2, Writes(puts={Address("documents/films", "k"): b"{}"}), 2_000)
        assert fresh.units(_films())[0].next == 1, "nothing of it was written"
    catalogue = Catalogue({"relational": opened_reads(url)})
    await catalogue.refresh()
    reads = catalogue.reads("relational")
    try:
        for asked in (reads.rows(_films(), ["k"]), reads.search(_films(), "alien", 5), reads.count(_films())):
            with pytest.raises(SuspectGeneration, match=said):
                await asked
        assert await reads.sums(_views(), ["k"]) == [{"x": 1}]
        assert len(catalogue.storages()) == 2
    finally:
        await reads.close()
    assert delete(technology, "documents", "films", force=True) == 1
    assert [item.entry for item in technology.storages()] == [_views().entry]
