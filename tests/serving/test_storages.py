"""Storages over HTTP: listed, looked at, created, changed, deleted, and refused in words."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import EndpointType
from serving.storages.storages import Storages
from storage import (
    Address,
    Catalogue,
    Counters,
    Descriptor,
    Memory,
    MemoryReads,
    RecordsReader,
    StorageUnavailable,
    UnitId,
    Writes,
)
from storage.formats.blank import blank
from storage.listed import Listed
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from storage.relational.reads import RelationalReads
from storage.relational.relational import Relational
from storage.relational.sqlite import Sqlite
from storage.relational.sqlite_reads import SqliteSource
from storage.versions import create
from tests.contracts.foreign import keep
from tests.serving.shop import DEADLINE, NOON, Recommend, Recommendations, Shop, problem
from tests.storage.form_stage import Row

POPULAR = "/storages/memory/ranking/popular"


@pytest.fixture
def stock() -> Shop:
    return Shop()


@pytest.fixture
async def client(stock: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with stock.running() as client:
        yield client


async def test_a_storage_is_created_and_is_there_at_once(client: httpx.AsyncClient) -> None:
    made = await client.put(POPULAR, json={"options": {"half_life": "30d"}, "made_by": "ada"})
    assert made.status_code == 201
    assert (made.json()["storage"], made.json()["options"]["half_life_ms"]) == (
        "memory/ranking/popular@1",
        2_592_000_000,
    )
    [listed] = (await client.get("/storages")).json()["storages"]
    assert (listed["storage"], listed["read"], listed["made_by"]) == ("memory/ranking/popular@1", True, "ada")
    assert (await client.get("/readyz")).status_code == 200, "the implementation that waited for it is bound"
    assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": []}


async def test_a_body_is_not_needed_where_there_are_no_options(client: httpx.AsyncClient) -> None:
    assert (await client.put("/storages/memory/counters/clicks")).status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/storages/mongo/ranking/popular", {}, 404, "technology"),
        ("/storages/memory/graph/popular", {}, 422, "format"),
        ("/storages/memory/ranking/Top-10", {}, 422, "name"),
        (POPULAR, {"options": {"half_life": "soon"}}, 422, "half_life"),
        (POPULAR, {"options": {"colour": "red"}}, 422, "colour"),
        (POPULAR, {"option": {}}, 422, "option"),
        (POPULAR, {"made_by": "\x1b[2J"}, 422, "made_by"),
        (POPULAR, {"made_by": "a" * 101}, 422, "made_by"),
        (POPULAR, {"options": []}, 422, "options"),
        ("/storages/memory/records/films", {}, 422, "schema"),
        ("/storages/memory/records/films", {"schema": {"type": "string"}}, 422, "schema"),
    ],
)
async def test_what_cannot_be_created_is_refused_by_its_field(
    client: httpx.AsyncClient, path: str, body: Any, status: int, field: str
) -> None:
    answer = await client.put(path, json=body)
    assert problem(answer)[0] == status
    assert answer.json()["field"] == field
    assert (await client.get("/storages")).json() == {"storages": []}


async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient) -> None:
    assert problem(await client.put(POPULAR, content=b"{"))[:2] == (400, "no-json")
    assert problem(await client.put(POPULAR, content=b'{"made_by": "\xff"}'))[:2] == (400, "no-json")
    assert problem(await client.put(POPULAR, content=b"[" * 99))[:2] == (400, "nested-too-deep")
    assert problem(await client.put(POPULAR, content=b" " * 300_000))[:2] == (413, "body-too-large")


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"options": {"size": 5}, "options": {}}', "options"),
        ('{"options": {"size": 5, "s\\u0069ze": 9}}', "size"),
        ('{"schema": [{"a": 1}, {"b": {"c": 1, "c": 1}}]}', "c"),
    ],
)
async def test_a_body_that_has_a_key_twice_is_refused(client: httpx.AsyncClient, body: str, key: str) -> None:
    answer = await client.put(POPULAR, content=body)
    assert problem(answer)[:2] == (400, "repeated-key")
    assert answer.json()["field"] == key
    assert f"the key '{key}' twice" in answer.json()["detail"]
    switched = await client.post(f"{POPULAR}/switch", content='{"version": 1, "version": 2}')
    assert problem(switched)[:2] == (400, "repeated-key")
    assert (await client.get("/storages")).json() == {"storages": []}


async def test_of_two_who_create_one_name_at_once_one_is_told_who_was_first(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.put(POPULAR, json={"made_by": who}) for who in ("ada", "bob")))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    first = next(answer for answer in answers if answer.status_code == 201).json()["made_by"]
    assert f"exists already, created by {first}" in problem(refused)[2]


async def test_one_storage_is_shown_with_its_versions_positions_and_readers(stock: Shop) -> None:
    stock.learner()
    stock.learned(a=1.0)
    service = stock.service()
    async with stock.running(service) as client:
        await service.measurements.sample()
        shown = (await client.get(POPULAR)).json()
    assert [(one["topic"], one["partition"], one["position"]) for one in shown["positions"]] == [("clicks", 0, 1)]
    assert [one["version"] for one in shown["versions"]] == [1]
    assert shown["readers"] == {"recommend": ["popular_now"]}
    assert shown["keys"] == ["all"]


async def test_of_a_wide_row_no_more_is_browsed_than_is_asked_for_and_on_no_connection_of_live_requests(
    redis_clean: str,
) -> None:
    technology, reads = Redis(redis_clean), RedisReads(redis_clean)
    item = technology.declare(blank("redis", "counters", "wide", {}))
    for start in range(0, 100_000, 10_000):
        row = {f"user-{number}": number for number in range(start, start + 10_000)}
        technology.fill(item, Writes(sums={Address(item.storage, "all"): row}))
    catalogue = Catalogue({"redis": reads})
    storages = Storages(catalogue, {"redis": technology}, catalogue.refresh)
    await catalogue.refresh()
    mine = [id(loop) for loop in reads.source._connections]
    value = await storages.row(item, "all", 20)
    assert 20 == len(value) <= sum(value[field] == int(field.partition("-")[2]) for field in value)
    assert mine == [id(asyncio.get_running_loop())]
    assert len(reads.source._connections) == 2
    await storages.close()
    await reads.close()
    technology.close()


async def test_a_row_of_any_format_is_read_by_its_key(stock: Shop, client: httpx.AsyncClient) -> None:
    stock.learner()
    stock.learned(a=1.0, b=2.0)
    item = stock.memory.declare(Counters("clicks", technology="memory").describe("clicks", 1, 1, "clicks"))
    claim = stock.memory.claim(UnitId("clicks", 1, 1, "clicks", 0), "owner")
    stock.memory.commit(claim, None, 1, Writes(sums={Address(item.storage, "a/b c"): {"count": 3}}), None)
    await stock.catalogue.refresh()
    top = await client.get(f"{POPULAR}/rows/all", params={"size": 1})
    assert top.json() == {
        "storage": "memory/ranking/popular@1",
        "key": "all",
        "value": [{"member": "b", "score": 2.0}],
    }
    counted = await client.get("/storages/memory/counters/clicks/rows/a/b%20c")
    assert counted.json()["value"] == {"count": 3}
    assert problem(await client.get(f"{POPULAR}/rows/nobody"))[:2] == (404, "unknown-row")
    assert problem(await client.get(f"{POPULAR}/rows/all?size=many"))[0] == 422


async def test_a_name_is_switched_and_rolled_back_and_answers_follow(stock: Shop, client: httpx.AsyncClient) -> None:
    for version in (1, 2):
        stock.learner(version=version)
        stock.learned(NOON, "popular", version, **{f"v{version}": 1.0})
    await stock.catalogue.refresh()
    back = (await client.post(f"{POPULAR}/rollback")).json()
    assert (back["version"], back["previous"]) == (1, 2)
    assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": ["v1"]}
    assert (await client.post(f"{POPULAR}/switch", json={"version": 2})).json()["version"] == 2
    assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": ["v2"]}
    assert problem(await client.post(f"{POPULAR}/switch", json={"version": 9}))[0] == 404
    assert problem(await client.post(f"{POPULAR}/switch", json={}))[0] == 422
    assert (await client.get(f"{POPULAR}@1")).json()["version"] == 1


async def test_what_is_in_use_is_deleted_only_by_force(stock: Shop, client: httpx.AsyncClient) -> None:
    stock.learner()
    stock.learned(a=1.0)
    await stock.catalogue.refresh()
    assert problem(await client.delete(POPULAR))[:2] == (409, "storage-conflict")
    assert problem(await client.delete(POPULAR, params={"force": "maybe"}))[:2] == (422, "wrong-force")
    assert (await client.delete(POPULAR, params={"force": "true"})).json() == {"deleted": 1}
    assert (await client.get("/storages")).json() == {"storages": []}
    assert problem(await client.delete(POPULAR))[:2] == (404, "unknown-storage")


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}]
)
async def test_pages_of_other_sites_change_nothing(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for method, path in (("PUT", POPULAR), ("DELETE", POPULAR), ("POST", f"{POPULAR}/rollback")):
        assert problem(await client.request(method, path, headers=headers))[:2] == (403, "cross-site")
    assert (await client.get("/storages", headers=headers)).json() == {"storages": []}
    own = {"origin": "http://shop", "sec-fetch-site": "same-origin"}
    assert (await client.put(POPULAR, headers=own)).status_code == 201


async def test_a_technology_that_blocks_holds_up_no_answer(stock: Shop) -> None:
    blocked, free = threading.Event(), threading.Event()

    class Stuck(Memory):
        def storages(self) -> list[Descriptor]:
            blocked.set()
            free.wait(10)
            return super().storages()

    service = stock.service(technologies={"memory": Stuck()})
    async with stock.running(service) as client:
        creating = asyncio.create_task(client.put(POPULAR))
        await asyncio.to_thread(blocked.wait, 5)
        assert (await client.get("/healthz")).status_code == 200
        free.set()
        assert (await creating).status_code == 201


async def test_a_technology_that_is_away_is_a_problem_and_the_others_can_be_used(stock: Shop) -> None:
    class Away(MemoryReads):
        async def listed(self) -> Listed:
            raise StorageUnavailable("nobody there")

    class Broken(Memory):
        def storages(self) -> list[Descriptor]:
            raise StorageUnavailable("nobody there")

    stock.catalogue = Catalogue({"memory": MemoryReads(stock.memory), "redis": Away(Memory())})
    service = stock.service(technologies={"memory": stock.memory, "redis": Broken()})
    async with stock.running(service) as client:
        assert problem(await client.put("/storages/redis/ranking/popular")) == (
            503,
            "storage-unavailable",
            "nobody there",
        )
        assert (await client.put(POPULAR)).status_code == 201
        flow = service.measurements.flow()
    assert flow is not None
    connections = {one.name: one.error for one in flow.connections}
    assert (connections["Memory"], connections["Redis"]) == (None, "nobody there")


async def test_versions_that_are_read_are_leased(stock: Shop) -> None:
    stock.learner()
    async with stock.running():
        async with asyncio.timeout(60):
            while not stock.memory.leases():
                await asyncio.sleep(0.01)
    assert set(stock.memory.leases()) == {"memory/ranking/popular@1"}


POPULAR_2 = asdict(replace(blank("relational", "ranking", "popular", {}), version=2))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("null", "it is no JSON object"),
        (json.dumps({**POPULAR_2, "options": {"size": "ten"}}), "`options.size` is not an integer from 1"),
    ],
)
async def test_an_entry_that_cannot_be_read_is_shown_hides_nothing_and_is_removed_by_force(
    stock: Shop, tmp_path: Path, text: str, why: str
) -> None:
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    rows = Relational(Sqlite(url))
    create(rows, blank("relational", "ranking", "popular", {}), "ada")
    assert keep(rows, "storage", "ranking/popular@2", text)
    stock.catalogue = Catalogue({"memory": MemoryReads(stock.memory), "relational": RelationalReads(SqliteSource(url))})
    service = stock.service(technologies={"memory": stock.memory, "relational": rows})
    async with stock.running(service) as client:
        assert (await client.put("/storages/relational/counters/clicks")).status_code == 201
        listed = (await client.get("/storages")).json()["storages"]
        assert [item["storage"] for item in listed] == ["relational/counters/clicks@1", "relational/ranking/popular@1"]
        page = await client.get("/console/storages")
        assert page.status_code == 200
        assert f"relational/ranking/popular@2 does not say what it is: {why}" in page.text
        place = "/storages/relational/ranking/popular@2"
        assert (await client.delete(place)).status_code == 404
        assert (await client.delete(place, params={"force": "true"})).status_code == 200
        assert "does not say" not in (await client.get("/console/storages")).text
    rows.close()


async def test_a_schema_that_is_none_keeps_only_those_from_answering_who_read_it(stock: Shop) -> None:
    kind = EndpointType("films", Recommend, Recommendations, unit="user", deadline=DEADLINE, golden=[])

    @kind.implementation
    async def known(request: Recommend, films: RecordsReader[Row]) -> Recommendations:
        return Recommendations([str(await films.get(request.user))])

    shop = Shop(*stock.types, kind)
    shop.learner()
    shop.learned(a=1.0)
    rows = blank("memory", "records", "films", {}, Row.avro_schema())
    shop.memory.declare(replace(rows, schema={"type": "nonsense"}))
    async with shop.running() as client:
        assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": ["a"]}
        status, _, detail = problem(await client.post("/v1/films", json={"user": "u1"}))
        assert (status, "memory/records/films@1 does not say what its rows are" in detail) == (503, True), detail
