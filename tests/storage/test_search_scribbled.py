"""What another program has written into an OpenSearch, past everything that Millrace checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from storage import Address, Catalogue, Writes
from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration
from storage.formats.blank import blank
from storage.search.catalogue import CATALOGUE
from storage.search.fence import Fence, fence_id, members_id
from storage.search.index import LEASES, STATE
from storage.search.reads import SearchReads
from storage.search.search import Search
from storage.unit import UnitId
from storage.versions import create, delete, present

UNIT = UnitId("filming", 1, 1, "films", 0)
FENCE = {"epoch": 1, "owner": "owner", "next": 1, "watermark_ms": None, "committed_ms": 5}


@pytest.fixture
def technology(search_clean: str) -> Iterator[Search]:
    """With documents that a learner writes, and others that nobody does."""
    with closing(Search(search_clean, timeout=20)) as technology:
        written = technology.declare(_films())
        claim = technology.claim(UNIT, "owner")
        technology.commit(claim, None, 1, Writes(puts={Address(written.storage, "k"): b'{"title": "Alien"}'}), 1_000)
        create(technology, blank("search", "documents", "other", {"fields": ["title"]}), "ada")
        yield technology


def _films() -> Descriptor:
    item = blank("search", "documents", "films", {"fields": ["title"]})
    return replace(item, technology="search", writer="filming@1", topic="films", created="2026-01-01")


def scribble(technology: Search, index: str, key: str, source: Any) -> None:
    technology._client.index(index=index, id=key, body=source)


@pytest.mark.parametrize(
    ("field", "value"),
    [("next", "abc"), ("next", 1.5), ("epoch", None), ("epoch", True), ("owner", 7), ("watermark_ms", [])],
)
def test_a_fence_is_no_fence_where_a_field_is_of_another_kind_or_missing(field: str, value: object) -> None:
    assert Fence.of(FENCE).source() == FENCE
    with pytest.raises(SuspectGeneration, match=f"as its '{field}', which is not"):
        Fence.of({**FENCE, field: value})
    with pytest.raises(SuspectGeneration, match=f"has no '{field}'"):
        Fence.of({name: kept for name, kept in FENCE.items() if name != field})


@pytest.mark.parametrize("wrong", ["next", "missing", "member", "units"])
async def test_fences_that_cannot_be_read_stop_their_unit_and_hide_no_storage(
    technology: Search, search_clean: str, wrong: str
) -> None:
    fence, members = fence_id(UNIT, "films/0"), members_id(UNIT)
    match wrong:
        case "next":
            scribble(technology, STATE, fence, {**FENCE, "next": "abc"})
        case "missing":
            scribble(technology, STATE, fence, {"epoch": 1})
        case "member":
            scribble(technology, STATE, members, {"units": ["films/0", "films/first", 7]})
        case "units":
            scribble(technology, STATE, members, {"units": 7})
    catalogue = Catalogue({"search": SearchReads(search_clean, timeout=20)})
    await catalogue.refresh()
    await catalogue.reads("search").close()
    assert [item.title for item in catalogue.storages()] == ["search/documents/films@1", "search/documents/other@1"]
    [said] = catalogue.damaged()
    assert said.startswith("It cannot be read how far search/documents/films@1 is: ")
    with pytest.raises(SuspectGeneration, match="somebody else wrote"):
        technology.units(_films())
    if wrong != "member":  # which is another unit's
        with pytest.raises(SuspectGeneration, match="somebody else wrote"):
            technology.claim(UNIT, "another")
    if wrong != "units":
        assert delete(technology, "documents", "films", force=True) == 1


@pytest.mark.parametrize("part", ["storages", "aliases"])
async def test_a_catalogue_that_is_none_is_said_to_be_so(technology: Search, search_clean: str, part: str) -> None:
    scribble(technology, STATE, CATALOGUE, {"storages": {}, "aliases": {}, part: ["x"]})
    catalogue = Catalogue({"search": SearchReads(search_clean, timeout=20)})
    await catalogue.refresh()
    await catalogue.reads("search").close()
    assert f"keeps as `{part}` of all storages is ['x'] and no object" in str(catalogue.health()["search"].error)
    with pytest.raises(SuspectGeneration, match="somebody else wrote it"):
        technology.declare(_films())


def test_leases_that_are_none_are_said_to_be_so(technology: Search) -> None:
    scribble(technology, LEASES, "leases", {"titles": "x"})
    for call in (lambda: present(technology), lambda: technology.release(["search/documents/films@1"])):
        with pytest.raises(SuspectGeneration, match="keeps as `titles` of all storages is 'x' and no object"):
            call()
