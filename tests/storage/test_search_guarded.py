"""An OpenSearch with TLS, passwords and least-privilege roles, as docs/roles.md sets it up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.stack import StackError
from storage.address import Address
from storage.errors import StorageUnavailable
from storage.search.reads import SearchReads
from storage.search.search import Search
from storage.unit import Outcome
from storage.writes import Writes
from tests.conftest import folder_in_memory, free_ports, unavailable
from tests.contracts.model import RECORDS, storage, unit
from tests.storage.guarded import PROBLEMS, READER, WORKER, must_refuse, wrong_url
from tests.storage.roles import do_everything, read_everything
from tests.storage.search_guarded import GuardedSearch

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]
ADMINISTRATION = [
    ("GET", "/_nodes", None),
    ("GET", "/_cat/indices", None),
    ("PUT", "/_cluster/settings", {"transient": {"action.auto_create_index": "false"}}),
    ("GET", "/_plugins/_security/api/internalusers", None),
    ("GET", "/.opendistro_security/_search", None),
]
"""Method, path and body of what no user of ours may ask."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedSearch]:
    with folder_in_memory() as folder:
        made = GuardedSearch(folder, free_ports(1)[0])
        try:
            made.start()
            with made.administrator() as client:
                client.put("/others/_doc/1", json={"of": "somebody else"}).raise_for_status()
            yield made
        except StackError as error:
            unavailable(error)
        finally:
            made.stop()


async def test_the_roles_of_the_docs_can_do_all_that_a_worker_and_a_models_service_need(guarded: GuardedSearch) -> None:
    technology, reads = Search(guarded.url(WORKER), timeout=30), SearchReads(guarded.url(READER), timeout=30)
    await read_everything(reads, do_everything(technology, [RECORDS]))
    assert list(technology.leases()) == ["search/records/seen@1"]
    await reads.close()
    technology.close()

    assert guarded.indices() == {"millrace-state", "millrace-leases", "millrace-records-seen-watching-1", "others"}


async def test_the_reading_user_finds_words(guarded: GuardedSearch) -> None:
    films = storage("documents/films", options={"index": "text", "fields": ["title"]}, learner="films")
    technology, reads = Search(guarded.url(WORKER), timeout=30), SearchReads(guarded.url(READER), timeout=30)
    technology.declare(films)
    film = Writes(puts={Address(films.storage, "k"): b'{"title": "Alien"}'})
    assert technology.commit(technology.claim(unit("films"), "a"), None, 1, film, None) is Outcome.OK
    assert [address.key for address, _ in technology.dump(films)] == ["k"], "it refreshes"
    assert [key for key, _ in await reads.search(films, "alien", 1)] == ["k"]
    await reads.close()
    technology.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/millrace-state/_doc/catalogue", {"storages": {}, "aliases": {}}),
        ("PUT", "/millrace-records-seen-watching-1/_doc/k", {"key": "k", "row": ""}),
        ("DELETE", "/millrace-leases/_doc/leases", None),
        ("DELETE", "/millrace-leases", None),
        ("PUT", "/millrace-records-mine-watching-1", {}),
        ("POST", "/millrace-state/_close", None),
        ("POST", "/_aliases", {"actions": [{"add": {"index": "millrace-leases", "alias": "millrace-state-writes"}}]}),
        ("GET", "/others/_doc/1", None),
        ("GET", "/_all/_search", None),
        *ADMINISTRATION,
    ],
)
def test_the_reading_user_can_write_its_lease_and_nothing_else(
    guarded: GuardedSearch, method: str, path: str, body: object
) -> None:
    with guarded.user(READER) as client:
        lease = {"doc": {"titles": {"title": 1}}, "doc_as_upsert": True}
        assert client.post("/millrace-leases-writes/_update/other", json=lease).status_code in (200, 201)
        assert client.request(method, path, json=body).status_code == 403


def test_a_learner_with_the_reading_users_address_is_refused(guarded: GuardedSearch) -> None:
    technology = Search(guarded.url(READER), timeout=30)
    for call in (lambda: technology.declare(storage("records/other")), lambda: technology.claim(unit(), "a")):
        with pytest.raises(StorageUnavailable, match="no permissions"):
            call()
    technology.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/others/_doc/1", {}),
        ("PUT", "/others", {}),
        ("DELETE", "/others", None),
        ("GET", "/others/_search", None),
        ("DELETE", "/_all", None),
        ("POST", "/_aliases", {"actions": [{"add": {"index": "others", "alias": "millrace-mine"}}]}),
        ("PUT", "/millrace-state/_settings", {"index": {"blocks.write": True}}),
        ("POST", "/millrace-state/_close", None),
        ("PUT", "/_index_template/mine", {"index_patterns": ["millrace-*"]}),
        *ADMINISTRATION,
    ],
)
def test_a_worker_can_do_nothing_beside_its_indices(
    guarded: GuardedSearch, method: str, path: str, body: object
) -> None:
    with guarded.user(WORKER) as client:
        assert client.request(method, path, json=body).status_code == 403
    assert "others" in guarded.indices()


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_neither_side_connects_where_something_is_wrong(
    guarded: GuardedSearch, tmp_path: Path, problem: str
) -> None:
    url = wrong_url(guarded, tmp_path, problem)
    await must_refuse(Search(url, timeout=20), SearchReads(url, timeout=20), problem, "401")
