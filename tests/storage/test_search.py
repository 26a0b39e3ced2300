"""OpenSearch: rows before the fence, late zombies, lost replies, and a server that is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from opensearchpy.exceptions import ConnectionTimeout, TransportError

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import FormatRefused, StorageUnavailable, SuspectGeneration, UnknownOutcome, WriteRefused
from storage.formats.blank import blank
from storage.search.catalogue import CATALOGUE
from storage.search.connection import Server
from storage.search.fence import fence_id
from storage.search.index import STATE, index_of, row_id, rows_body
from storage.search.reads import SearchReads
from storage.search.search import Search
from storage.unit import Claim, Outcome
from storage.versions import create
from storage.writes import Writes
from tests.conftest import free_ports
from tests.contracts.model import RECORDS, storage, unit
from tests.storage.search_stage import OwnSearch, after, before

ROWS = storage(RECORDS)
FILMS = storage("documents/films", options={"index": "text", "fields": ["title"]})


@pytest.fixture
def search(search_clean: str) -> Iterator[Search]:
    """One worker's side, with a storage declared."""
    found = Search(search_clean, timeout=20)
    found.declare(ROWS)
    yield found
    found.close()


@pytest.fixture
def other(search_clean: str) -> Iterator[Search]:
    """Another worker's side."""
    found = Search(search_clean, timeout=20)
    yield found
    found.close()


def puts(**rows: str) -> Writes:
    return Writes(puts={Address(RECORDS, key): row.encode() for key, row in rows.items()})


def rows(search: Search, descriptor: Descriptor = ROWS) -> dict[str, str]:
    return {address.key: row.decode() for address, row in search.dump(descriptor) if isinstance(row, bytes)}


def position(search: Search) -> int | None:
    [state] = search.units(ROWS)
    return state.next


def lost() -> None:
    raise ConnectionTimeout("TIMEOUT", "cut by the test", TimeoutError())


def test_a_zombie_whose_rows_come_late_loses_against_newer_ones(search: Search, other: Search) -> None:
    zombie = search.claim(unit(), "zombie")

    def somebody_else_goes_on() -> None:
        claim = other.claim(unit(), "b")
        assert other.commit(claim, None, 3, puts(a="at 3"), None) is Outcome.OK
        assert other.commit(claim, 3, 9, puts(a="at 9", b="at 9"), None) is Outcome.OK

    before(search, "bulk", somebody_else_goes_on)  # the zombie has seen its fence already
    assert search.commit(zombie, None, 5, puts(a="at 5", b="at 5"), None) is Outcome.FENCED
    assert rows(search) == {"a": "at 9", "b": "at 9"}
    assert position(search) == 9


def test_a_zombies_row_that_is_ahead_is_what_the_fold_passes_through(search: Search, other: Search) -> None:
    """The zombie gets as far as position 5, its successor commits by other batches: 3, then 7."""
    fold = {3: puts(a="at 3"), 5: puts(a="at 5"), 7: puts(a="at 5", b="at 7")}
    zombie = search.claim(unit(), "zombie")
    before(search, "index", lambda: other.claim(unit(), "b"))
    assert search.commit(zombie, None, 5, fold[5], None) is Outcome.FENCED
    assert (rows(search), position(search)) == ({"a": "at 5"}, None), "ahead of the position, never behind it"
    claim = other.claim(unit(), "c")
    assert other.commit(claim, None, 3, fold[3], None) is Outcome.OK
    assert rows(search) == {"a": "at 5"}, "an older value has replaced a newer one"
    assert other.commit(claim, 3, 7, fold[7], None) is Outcome.OK
    assert rows(search) == {"a": "at 5", "b": "at 7"}


def test_a_commit_that_is_cut_between_rows_and_fence_is_sent_again(search: Search) -> None:
    claim = search.claim(unit(), "a")
    after(search, "bulk", lost)
    with pytest.raises(UnknownOutcome, match="in time"):
        search.commit(claim, None, 4, puts(a="at 4"), 50)
    assert position(search) is None
    assert search.commit(claim, None, 4, puts(a="at 4"), 50) is Outcome.OK
    assert (rows(search), position(search)) == ({"a": "at 4"}, 4)


def test_a_commit_whose_reply_is_lost_was_applied_already(search: Search) -> None:
    claim = search.claim(unit(), "a")
    after(search, "index", lost)
    with pytest.raises(UnknownOutcome):
        search.commit(claim, None, 4, puts(a="at 4"), None)
    assert search.commit(claim, None, 4, puts(a="at 4"), None) is Outcome.ALREADY


@pytest.mark.parametrize("setting", ["index.blocks.write", "index.blocks.read_only", None], ids=str)
def test_an_index_that_is_blocked_or_closed_refuses_for_now_and_not_the_rows(
    search: Search, setting: str | None
) -> None:
    claim = search.claim(unit(), "a")
    indices, index = search._client.indices, index_of(ROWS, ROWS.storage)
    if setting is None:
        indices.close(index=index)
    else:
        indices.put_settings(index=index, body={setting: True})
    try:
        with pytest.raises(StorageUnavailable, match="does not take"):
            search.commit(claim, None, 4, puts(a="at 4"), None)
    finally:
        if setting is None:
            indices.open(index=index)
        else:
            indices.put_settings(index=index, body={setting: None})
    assert search.commit(claim, None, 4, puts(a="at 4"), None) is Outcome.OK


def test_an_index_that_somebody_else_has_made_is_said_to_be_so(search: Search) -> None:
    search._client.indices.create(index=index_of(FILMS, FILMS.storage))
    with pytest.raises(SuspectGeneration, match="somebody else made it"):
        search.declare(FILMS)


def test_a_claim_between_rows_and_fence_wins(search: Search, other: Search) -> None:
    claim = search.claim(unit(), "a")
    newer: list[Claim] = []
    before(search, "index", lambda: newer.append(other.claim(unit(), "b")))
    assert search.commit(claim, None, 4, puts(a="at 4"), None) is Outcome.FENCED
    assert newer[0].next is None
    assert position(search) is None


def test_a_disk_that_is_nearly_full_is_said_to_be_and_nothing_moves_until_there_is_room(search: Search) -> None:
    """The server blocks its indices when less is free than `disk.watermark.flood_stage`."""
    claim, states = search.claim(unit(), "a"), [index_of(ROWS, RECORDS), STATE]
    for index in states:
        block(search, index, True)
        with pytest.raises(StorageUnavailable, match="read-only-allow-delete block"):
            search.commit(claim, None, 4, puts(a="at 4"), None)
        assert position(search) is None
        block(search, index, None)
    assert search.commit(claim, None, 4, puts(a="at 4"), None) is Outcome.OK
    assert rows(search) == {"a": "at 4"}


def block(search: Search, index: str, blocked: bool | None) -> None:
    """As the server does it itself."""
    search._client.indices.put_settings(index=index, body={"index.blocks.read_only_allow_delete": blocked})


def written(search: Search, index: str, key: str) -> tuple[int, int]:
    """The version of a document, and the number of the operation that wrote it."""
    found = search._client.get(index=index, id=key)
    return found["_version"], found["_seq_no"]


def test_rows_that_were_seen_are_written_again_before_the_position_moves(search: Search) -> None:
    """They need not be on the disk: the engine shows what it has not yet put there."""
    claim, row = search.claim(unit(), "a"), (index_of(ROWS, RECORDS), row_id("a"))
    after(search, "bulk", lost)
    with pytest.raises(UnknownOutcome):
        search.commit(claim, None, 4, puts(a="at 4"), None)
    version, operation = written(search, *row)
    assert search.commit(claim, None, 4, puts(a="at 4"), None) is Outcome.OK
    assert written(search, *row) == (version, operation + 1)


def test_a_position_that_was_seen_is_written_again_before_it_is_believed(search: Search) -> None:
    claim, fence = search.claim(unit(), "a"), (STATE, fence_id(unit(), "clicks/0"))
    after(search, "index", lost)
    with pytest.raises(UnknownOutcome):
        search.commit(claim, None, 4, puts(a="at 4"), None)
    version, _ = written(search, *fence)
    assert search.commit(claim, None, 4, puts(a="at 4"), None) is Outcome.ALREADY
    assert written(search, *fence)[0] == version + 1


def test_a_declaration_and_a_switch_that_were_seen_are_written_again_before_they_are_believed(search: Search) -> None:
    two = storage(RECORDS, version=2)
    for change in (lambda: search.declare(two), lambda: search.switch([two]), lambda: search.point([two])):
        after(search, "index", lost)
        with pytest.raises(StorageUnavailable):
            change()
        version, _ = written(search, STATE, CATALOGUE)
        change()
        assert written(search, STATE, CATALOGUE)[0] == version + 1
    assert not search.switch([storage(RECORDS, version=3)])
    assert not search.discard("storage", two.entry)
    assert written(search, STATE, CATALOGUE)[0] == version + 1, "what changes nothing is not written"


def test_a_zombies_newer_row_is_written_again_for_it(search: Search, other: Search) -> None:
    zombie, row = search.claim(unit(), "zombie"), (index_of(ROWS, RECORDS), row_id("a"))
    after(search, "bulk", lost)
    with pytest.raises(UnknownOutcome):
        search.commit(zombie, None, 5, puts(a="at 5"), None)
    version, operation = written(search, *row)
    claim = other.claim(unit(), "b")
    assert other.commit(claim, None, 3, puts(a="at 3", b="at 3"), None) is Outcome.OK
    assert rows(search) == {"a": "at 5", "b": "at 3"}
    assert written(search, *row) == (version, operation + 2), "once b, once a"


def test_late_rows_of_an_erased_version_make_no_index(search: Search, other: Search) -> None:
    claim = search.claim(unit(), "a")
    before(search, "bulk", lambda: other.erase(ROWS))
    with pytest.raises(SuspectGeneration, match="index is gone"):
        search.commit(claim, None, 4, puts(a="at 4"), None)
    assert not search._client.indices.exists(index=index_of(ROWS, RECORDS))


def test_a_storage_that_was_never_declared_is_not_written(search: Search) -> None:
    claim = search.claim(unit("nobody"), "a")
    with pytest.raises(SuspectGeneration, match="never declared"):
        search.commit(claim, None, 4, puts(a="at 4"), None)


def test_rows_are_never_read_back(search: Search) -> None:
    claim = search.claim(unit(), "a")
    with pytest.raises(FormatRefused, match="ahead of the position"):
        search.read(claim, None, [Address(RECORDS, "a")])
    assert search.read(claim, None, []) == []


@pytest.mark.parametrize("key", ["", "\x00", "k" * 60_000, "é" * 600, "a/b?c#d %2F", '{"index":{}}\n', "_doc"])
def test_any_text_is_a_key(search: Search, search_clean: str, key: str) -> None:
    claim = search.claim(unit(), "a")
    assert search.commit(claim, None, 1, Writes(puts={Address(RECORDS, key): b"\x00\xff"}), None) is Outcome.OK
    assert dict(search.dump(ROWS)) == {Address(RECORDS, key): b"\x00\xff"}

    async def read() -> list[bytes | None]:
        reads = SearchReads(search_clean, timeout=10)
        try:
            return await reads.rows(ROWS, [key, f"{key}?"])
        finally:
            await reads.close()

    assert asyncio.run(read()) == [b"\x00\xff", None]


def test_a_key_that_is_no_text_is_refused_and_nothing_is_written(search: Search) -> None:
    claim = search.claim(unit(), "a")
    with pytest.raises(WriteRefused):
        search.commit(claim, None, 1, puts(**{"a": "x", "\ud800": "y"}), None)
    assert (rows(search), position(search)) == ({}, None)


def test_a_leftover_of_another_meaning_is_not_taken_for_a_new_index(search: Search) -> None:
    vectors = storage("vectors/items", options={"index": "vector", "dimensions": 3, "metric": "dot"})
    search._client.indices.create(index=index_of(vectors, vectors.storage), body=rows_body(vectors))
    other = replace(vectors, options={**vectors.options, "dimensions": 4})
    with pytest.raises(Exception, match="other options"):
        search.declare(other)


def test_a_server_with_as_many_shards_as_it_may_have_refuses_for_now_and_lists_nothing_that_it_has_not(
    search: Search,
) -> None:
    films = blank("search", "documents", "films", {"fields": ["title"]})
    most_shards(search, 1)
    try:
        with pytest.raises(StorageUnavailable, match="shards open"):
            create(search, films, "ada")
        assert search.storages() == [ROWS]
        assert films.place not in search.aliases()
        with pytest.raises(StorageUnavailable, match="shards open"):
            search.declare(FILMS)
        assert FILMS in search.storages(), "another worker of its learner may have made the index by now"
    finally:
        most_shards(search, None)
    search.erase(FILMS)
    assert create(search, films, "ada") in search.storages()
    assert search._client.indices.exists(index=index_of(films, films.storage))


def most_shards(search: Search, number: int | None) -> None:
    """So many, or as many as ever."""
    search._client.cluster.put_settings(body={"transient": {"cluster.max_shards_per_node": number}})


def test_what_was_committed_is_found_a_second_later_without_a_refresh(search: Search, search_clean: str) -> None:
    search.declare(FILMS)
    claim = search.claim(unit(), "a")
    film = Writes(puts={Address(FILMS.storage, "k"): b'{"title": "Alien"}'})
    assert search.commit(claim, None, 1, film, None) is Outcome.OK

    async def until_found() -> float:
        reads, began = SearchReads(search_clean, timeout=10), time.monotonic()
        try:
            while not await reads.search(FILMS, "alien", 1):
                assert time.monotonic() < began + 20
                await asyncio.sleep(0.02)
            return time.monotonic() - began
        finally:
            await reads.close()

    assert asyncio.run(until_found()) < 10  # a second, and what a busy machine adds


async def test_reads_of_one_tick_travel_in_one_request(search: Search, search_clean: str) -> None:
    claim = search.claim(unit(), "a")
    search.commit(claim, None, 1, puts(a="1", b="2"), None)
    reads, sent = SearchReads(search_clean, timeout=10), 0
    mget = reads._loop().client.mget

    async def counted(**options: object) -> object:
        nonlocal sent
        sent += 1
        return await mget(**options)

    reads._loop().client.mget = counted
    found = await asyncio.gather(*(reads.rows(ROWS, keys) for keys in (["a"], ["b", "?"], [], ["a", "b"])))
    assert found == [[b"1"], [b"2", None], [], [b"1", b"2"]]
    assert sent == 1
    await reads.close()


async def test_a_reader_that_is_cancelled_takes_nothing_from_the_others(search: Search, search_clean: str) -> None:
    claim = search.claim(unit(), "a")
    search.commit(claim, None, 1, puts(a="1"), None)
    reads = SearchReads(search_clean, timeout=10)
    first, second = (asyncio.create_task(reads.rows(ROWS, ["a"])) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == [b"1"]
    with suppress(asyncio.CancelledError):
        await first
    await reads.close()


def test_a_server_that_is_away_is_unavailable_and_named_without_its_password() -> None:
    port = free_ports(1)[0]
    search = Search(f"http://reader:s3cret@127.0.0.1:{port}", timeout=2)
    calls: list[Callable[[], object]] = [
        search.storages,
        lambda: search.declare(ROWS),
        lambda: search.claim(unit(), "a"),
        lambda: search.commit(Claim(unit(), 1, "a", None), None, 1, puts(a="x"), None),
    ]
    for call in calls:
        with pytest.raises(StorageUnavailable, match=f"127.0.0.1:{port}") as refused:
            call()
        assert "s3cret" not in str(refused.value)
    search.close()


def test_a_server_that_is_away_is_said_by_our_error_and_not_by_the_drivers_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    search = Search(url, timeout=2)
    with pytest.raises(StorageUnavailable):
        search.storages()
    search.close()

    async def read() -> None:
        client = Server(url, timeout=2).reading_client()
        try:
            with pytest.raises(TransportError):
                await client.info()
        finally:
            await client.close()

    asyncio.run(read())
    assert [record.name for record in caplog.records if record.name.startswith("opensearch")] == []


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(900)
def test_what_was_acknowledged_survives_that_the_server_is_killed(tmp_path: Path) -> None:
    own = OwnSearch(tmp_path / "search", free_ports(1)[0])
    try:
        own.start()
        search = Search(own.url, timeout=20)
        search.declare(ROWS)
        claim = search.claim(unit(), "a")
        reached = None
        for number in range(1, 40):
            assert search.commit(claim, reached, number, puts(**{f"k{number}": "x", "last": str(number)}), None)
            reached = number
        own.kill()
        with pytest.raises((StorageUnavailable, UnknownOutcome)):
            search.commit(claim, reached, 40, puts(last="40"), None)
        own.start()
        assert (search.storages(), position(search)) == ([ROWS], reached)
        assert rows(search) == {**{f"k{number}": "x" for number in range(1, 40)}, "last": "39"}
        assert search.commit(claim, reached, 40, puts(last="40"), None) is Outcome.OK
        search.close()
    finally:
        own.kill()
