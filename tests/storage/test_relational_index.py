"""Full text and nearest vectors in both relational databases: the same answers, whatever people type."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import FormatRefused, WriteRefused
from storage.formats.vector_scan import nearest
from storage.relational.postgresql import Postgresql
from storage.relational.postgresql_reads import PostgresqlSource
from storage.relational.reads import RelationalReads
from storage.relational.relational import Relational
from storage.relational.sqlite import Sqlite
from storage.relational.sqlite_reads import SqliteSource
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.conftest import Sides
from tests.contracts.model import storage, unit

TEXTS = storage("documents/films", options={"index": "text", "fields": ["title", "plot", "year"]})
FILMS = {
    "alien": {"title": "Alien", "plot": "In space nobody can hear you scream", "year": 1979, "secret": "ripley"},
    "aliens": {"title": "Aliens", "plot": "Marines in space, aliens in space", "year": 1986},
    "brazil": {"title": "Brazil", "plot": "A clerk, and forms; forms.", "year": 1985},
    "amélie": {"title": "Le Fabuleux Destin d'AMÉLIE", "plot": "Café, Montmartre"},
    "empty": {},
}


def vectors(metric: str, **changes: Any) -> Descriptor:
    options = {"index": "vector", "dimensions": 7, "metric": metric}
    return storage("vectors/taste", options=options, **changes)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def sides(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    """An empty database."""
    with asyncio.Runner() as runner:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'rows.db'}"
            made = Sides(Relational(Sqlite(url)), RelationalReads(SqliteSource(url, 10)), runner)
        else:
            url = request.getfixturevalue("postgresql_clean")
            made = Sides(Relational(Postgresql(url)), RelationalReads(PostgresqlSource(url, 10)), runner)
        yield made
        runner.run(made.reads.close())
        made.technology.close()


def put(sides: Sides, descriptor: Descriptor, rows: dict[str, bytes]) -> None:
    sides.technology.declare(descriptor)
    claim = sides.technology.claim(unit(), "a")
    writes = Writes(puts={Address(descriptor.storage, key): row for key, row in rows.items()})
    assert sides.technology.commit(claim, claim.next, (claim.next or 0) + 1, writes, None) is Outcome.OK


@pytest.fixture
def films(sides: Sides) -> Sides:
    put(sides, TEXTS, {key: json.dumps(film).encode() for key, film in FILMS.items()})
    return sides


def found(sides: Sides, text: str, size: int = 10) -> list[str]:
    scored = sides.ask(sides.reads.search(TEXTS, text, size))
    relevance = [score for _, score in scored]
    assert all(score > 0 for score in relevance)
    assert relevance == sorted(relevance, reverse=True)
    return [key for key, _ in scored]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("scream", ["alien"]),
        ("SCREAM!", ["alien"]),
        ("space aliens", ["aliens", "alien"]),
        ("forms clerk nobody", ["brazil", "alien"]),
        ("1985", ["brazil"]),
        ("café", ["amélie"]),
        ("CAFÉ", ["amélie"]),
        ("ripley", []),
        ("", []),
        ("  \x00 ", []),
        ("!&|()<->:*", []),
    ],
)
def test_rows_that_have_one_of_the_words_are_found_the_best_first(films: Sides, text: str, keys: list[str]) -> None:
    assert found(films, text) == keys


@pytest.mark.parametrize(
    "text",
    [
        'scream OR NOT "scream',
        "NOT scream",
        "scream*",
        "plot:scream",
        "-scream",
        "^scream",
        'NEAR("scream" hear, 2)',
        "scream & !scream",
        "(scream",
        "scream:*",
        "scream <-> hear",
        "'scream'",
        "scream\\",
        "scream'; DROP TABLE millrace_units; --",
        "{text}: scream {0} $1 ?1 %s",
        "scream\x00hear",
    ],
)
def test_what_people_type_is_never_an_operator(films: Sides, text: str) -> None:
    assert found(films, text)[0] == "alien"
    assert [state.next for state in films.technology.units(TEXTS)] == [1]


def test_a_word_is_found_whole_and_only_in_the_fields_that_were_named(films: Sides) -> None:
    assert found(films, "screa") == found(films, "scre*") == found(films, "title") == []


def test_a_row_that_is_replaced_has_only_its_new_words(films: Sides) -> None:
    put(films, TEXTS, {"alien": b'{"title": "Prometheus", "year": 2012.5}'})
    assert found(films, "scream") == []
    assert found(films, "prometheus") == ["alien"]


def test_equal_rows_are_found_in_the_order_of_their_keys_and_no_more_than_asked_for(sides: Sides) -> None:
    keys = ["é", "b", "", "a", "😀", "B"]
    put(sides, TEXTS, dict.fromkeys(keys, b'{"title": "one two"}'))
    put(sides, TEXTS, {"zz": b'{"title": "three"}'})
    assert found(sides, "two") == sorted(keys)
    assert found(sides, "two", 2) == sorted(keys)[:2]
    assert found(sides, "two", 0) == []


@pytest.mark.parametrize("row", [b"\xff", b"[1]", b'"x"', b"{"])
def test_a_row_that_is_no_document_is_refused_by_its_key(sides: Sides, row: bytes) -> None:
    sides.technology.declare(TEXTS)
    claim = sides.technology.claim(unit(), "a")
    with pytest.raises(WriteRefused, match="bad"):
        sides.technology.commit(claim, None, 1, Writes(puts={Address(TEXTS.storage, "bad"): row}), None)
    assert dict(sides.technology.dump(TEXTS)) == {}


def test_documents_that_are_loaded_are_found_and_erased_with_their_index(sides: Sides) -> None:
    item = sides.technology.declare(replace(TEXTS, writer="load@1", topic="", state="filling"))
    for number in range(3):
        row = json.dumps({"title": f"film {number}"}).encode()
        sides.technology.fill(item, Writes(puts={Address(item.storage, f"k{number}"): row}))
    assert [key for key, _ in sides.ask(sides.reads.search(item, "film", 9))] == ["k0", "k1", "k2"]
    sides.technology.erase(item)
    assert sides.ask(sides.reads.search(item, "film", 9)) == []


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("pgvector", [True, False])
def test_the_nearest_are_those_of_a_plain_scan(
    sides: Sides, metric: str, pgvector: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not pgvector:
        monkeypatch.setattr(Postgresql, "_has_pgvector", lambda self: False)
    item, chance = vectors(metric), np.random.default_rng(7)
    matrix = chance.integers(-2, 3, (600, 7)).astype("<f4")
    matrix[~matrix.any(axis=1)] = 1
    matrix[300:] *= np.float32(1.000001)
    rows = {f"k{number * 7 % 601:03}": row.tobytes() for number, row in enumerate(matrix)}
    put(sides, item, rows)
    for wanted in chance.normal(size=(5, 7)).astype("<f4"):
        expected = nearest(rows.items(), wanted.tobytes(), 20, metric)
        assert sides.ask(sides.reads.nearest(item, wanted.tobytes(), 20)) == expected
    assert sides.ask(sides.reads.rows(item, list(rows))) == list(rows.values())


def test_vectors_that_are_loaded_are_searched_and_nothing_is_nearest_where_nothing_is(sides: Sides) -> None:
    item = sides.technology.declare(vectors("dot", writer="load@1", state="filling"))
    row = np.arange(7, dtype="<f4").tobytes()
    assert sides.ask(sides.reads.nearest(item, row, 5)) == []
    sides.technology.fill(item, Writes(puts={Address(item.storage, "k"): row}))
    assert sides.ask(sides.reads.nearest(item, row, 5)) == [("k", 91.0)]
    assert sides.ask(sides.reads.nearest(item, row, 0)) == []


def test_rows_without_an_index_are_not_searched(sides: Sides) -> None:
    plain = sides.technology.declare(storage("records/plain"))
    with pytest.raises(FormatRefused):
        sides.ask(sides.reads.nearest(plain, b"\x00" * 28, 5))
    with pytest.raises(FormatRefused):
        sides.ask(sides.reads.search(plain, "x", 5))
