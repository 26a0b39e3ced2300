"""What a changed schema would break follows from what readers say of themselves, not from the version before."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import pytest

from schemas.avro import resolved
from schemas.fields import Change, changes, field_uses, type_words
from schemas.graph import Graph, following
from schemas.readers import Reader, Readers, Reading, known
from schemas.table import MemoryTable


def record(*fields: tuple[str, Any] | dict[str, Any], **properties: Any) -> dict[str, Any]:
    """A schema of fields; a pair is name and type."""
    written = [field if isinstance(field, dict) else {"name": field[0], "type": field[1]} for field in fields]
    return {"type": "record", "name": "Rating", "fields": written, **properties}


RATING = record(("user", "string"), ("stars", "int"), {"name": "note", "type": "string", "default": ""})


@pytest.fixture
def readers() -> Readers:
    """Of ratings: one whose storage an endpoint reads, and one that emits what a third folds."""
    readers = Readers()
    likes = Reader("likes", 2, "ratings", ("redis/ranking/likes",), product="movies", schema=RATING)
    pairs = Reader("pairs", 1, "ratings", ("redis/records/seen",), ("watched",), "movies", RATING)
    readers.learn("movies", [likes, pairs])
    watched = record(("pair", "string"))
    readers.learn("shop", [Reader("near", 1, "watched", ("search/vectors/near",), product="shop", schema=watched)])
    readers.serve(
        "movies",
        [
            Reading("recommend", "personal", ("redis/ranking/likes",)),
            Reading("recommend", "popular", ("redis/ranking/other",)),
            Reading("similar", "near", ("search/vectors/near",)),
        ],
    )
    return readers


@pytest.fixture
def graph(readers: Readers) -> Graph:
    return Graph.of(readers.documents())


def test_a_removed_field_names_every_learner_storage_endpoint_and_topic_that_hangs_on_it(graph: Graph) -> None:
    likes, pairs = graph.breaks("ratings", record(("user", "string")))
    assert (likes.place, likes.what) == ("ratings.stars", "is not written and has no default")
    assert str(likes) == (
        "ratings.stars is not written and has no default: likes@2 of movies could not read on (storages: "
        "redis/ranking/likes; endpoints: recommend (personal))"
    )
    assert following(pairs.affected) == (
        "topics: watched; learners: near@1 of shop; storages: redis/records/seen, search/vectors/near; "
        "endpoints: similar (near)"
    )


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (record(("user", "string"), ("stars", "int"), ("more", "string")), []),
        (record(("user", "string"), ("stars", "string")), [("stars", "is string, and the reader takes int")]),
        (record(("user", "string"), ("stars", ["null", "int"])), [("stars", "is null, and the reader takes int")]),
        (record(("user", ["string"]), ("stars", "int")), []),
        (
            {**record(("user", "string"), ("stars", "int")), "name": "Other"},
            [("", "is named Other, and the reader takes Rating")],
        ),
    ],
)
def test_what_breaks_follows_from_avros_resolution(graph: Graph, schema: Any, expected: list[tuple[str, str]]) -> None:
    found = graph.breaks("ratings", schema)
    assert [(item.field, item.what) for item in found if item.reader.learner == "likes"] == expected
    assert graph.breaks("nobody-reads-this", schema) == []


def test_another_key_breaks_a_learner_that_folds_by_it() -> None:
    mine = record(("user", "string"), ("item", "string"), **{"millrace.key": "user"})
    graph = Graph((Reader("likes", 1, "ratings", product="movies", schema=mine),))
    [found] = graph.breaks("ratings", {**mine, "millrace.key": "item"})
    assert str(found).startswith("ratings is keyed by item, and the reader folds it by user: likes@1 of movies")
    assert graph.breaks("ratings", {name: value for name, value in mine.items() if name != "millrace.key"}) == []


def test_learners_that_emit_in_a_circle_are_followed_once() -> None:
    schema = record(("user", "string"))
    one = Reader("one", 1, "a", ("s/one",), ("b",), "p", schema)
    two = Reader("two", 1, "b", ("s/two",), ("a",), "p", schema)
    found = Graph((one, two)).affected(one)
    assert (found.learners, found.topics, found.storages) == (("two@1 of p",), ("b", "a"), ("s/one", "s/two"))


class Counting(MemoryTable):
    """Counts what is written."""

    writes = 0

    def change(self, decide: Any) -> Any:
        self.writes += 1
        return super().change(decide)


def test_a_product_that_says_the_same_writes_nothing_and_one_that_says_less_is_known_by_that() -> None:
    table = Counting()
    readers = Readers(table)
    both = [Reader(name, 1, "ratings", product="movies", schema=RATING) for name in ("likes", "pairs")]
    readers.learn("movies", both)
    readers.learn("movies", both)
    assert table.writes == 1
    assert known(readers.documents(), "movies", both)
    readers.learn("movies", both[:1])
    assert not known(readers.documents(), "movies", both)
    [left] = Graph.of(readers.documents()).readers
    assert (left.title, left.schema) == ("likes@1 of movies", RATING)
    assert datetime.fromisoformat(left.since).tzinfo is not None
    assert readers.forget("product/movies")
    assert not readers.forget("product/movies")
    assert Graph.of(readers.documents()) == Graph()


@pytest.mark.parametrize(
    "value",
    [
        b"[",
        b"[" * 100_000,
        b"null",
        b'{"learners": 7}',
        b'{"schemas": {"t": {"type": "nonsense"}}, "learners": [{"learner": "x", "version": 1, "topic": "t"}]}',
        b'{"schemas": {}, "learners": [{"learner": "x", "version": 1, "topic": "t"}]}',
    ],
)
def test_what_another_program_wrote_is_passed_over(value: bytes, readers: Readers) -> None:
    table = MemoryTable()
    for key in ("product/x", "service/x", "nothing"):
        row = key, value
        table.change(partial(lambda row, rows: row, row))
    assert Graph.of(Readers(table).documents()) == Graph()


def test_every_field_says_who_reads_it_who_takes_its_default_and_that_nobody_does() -> None:
    line = record(("n", "int"), ("why", "string"), name="Line")
    written = record(("user", "string"), ("lines", {"type": "array", "items": line}), ("former", "long"))
    mine = record(
        ("user", "int"),
        ("lines", {"type": "array", "items": record(("n", "int"), name="Line")}),
        {"name": "city", "type": "string", "default": "?"},
        {"name": "renamed", "type": "long", "aliases": ["former"]},
    )
    one = Reader("one", 1, "t", product="p", schema=mine)
    two = Reader("two", 1, "t", product="p", schema=record(("user", "string")))
    found = {use.place: use for use in field_uses(written, [one, two], Graph((one, two)).breaks("t", written))}
    assert found["user"].uses == {one.title: "breaks", two.title: "reads"}
    assert found["lines[].n"].uses == {one.title: "reads"}
    assert [place for place, use in found.items() if use.unread] == ["lines[].why"]
    assert (found["city"].type, found["city"].uses) == ("", {one.title: "default"})
    assert found["former"].uses == {one.title: "reads"}


def test_what_a_list_holds_breaks_the_list() -> None:
    one = Reader("one", 1, "t", product="p", schema=record(("tags", {"type": "array", "items": "string"})))
    written = record(("tags", {"type": "array", "items": "int"}))
    [found] = field_uses(written, [one], Graph((one,)).breaks("t", written))
    assert (found.place, found.uses) == ("tags", {one.title: "breaks"})


def test_changes_between_versions_are_said_by_field() -> None:
    money = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    old = record(("user", "string"), ("stars", "int"), ("gone", ["null", "string"]), **{"millrace.key": "user"})
    new = record(
        ("user", "string"),
        ("stars", "double"),
        {"name": "paid", "type": money, "default": "0"},
        **{"millrace.key": "stars"},
    )
    assert changes(old, new) == [
        Change("changed", "stars", "int → double"),
        Change("added", "paid", 'decimal(9, 2) = "0"'),
        Change("removed", "gone", "string or null"),
        Change("changed", "key", "user → stars"),
    ]
    assert changes(new, new) == []


def test_a_record_within_itself_ends() -> None:
    tree = record(("name", "string"), ("children", {"type": "array", "items": "Rating"}))
    found = field_uses(tree, [Reader("one", 1, "t", product="p", schema=tree)], ())
    assert [use.place for use in found] == ["name", "children"]
    assert Graph((Reader("one", 1, "t", product="p", schema=tree),)).breaks("t", tree) == []


def test_types_are_said_in_words() -> None:
    enum = {"type": "enum", "name": "Color", "symbols": ["red", "blue"]}
    assert type_words(resolved(["null", {"type": "map", "values": enum}])) == "map of one of red, blue or null"
    assert type_words(resolved({"type": "fixed", "name": "F", "size": 4})) == "4 bytes"
    assert type_words(resolved({"type": "long", "logicalType": "timestamp-micros"})) == "timestamp-micros"
    assert type_words(resolved(["int", "string"])) == "int or string"
