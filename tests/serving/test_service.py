"""The service as a whole: alive, ready, counted, listed, and its end."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import httpx
import pytest

from schemas import EventType
from serving import service as module
from storage import Catalogue, Counters, Memory, MemoryReads, StorageUnavailable, UnitId, Writes
from storage.address import Address
from storage.listed import Listed
from tests.serving.shop import SPLIT, Recommendations, Shop, popular


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


async def test_it_is_alive_whatever_the_storages_do_and_not_ready_before_they_are_there() -> None:
    async with Shop().running() as client:
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert "ranking/popular does not exist" in ready.json()["waiting"]["recommend"]


async def test_it_is_ready_at_once_where_the_storages_are_there() -> None:
    shop = Shop()
    shop.learner()
    async with shop.running() as client:
        ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "waiting": {}})


async def test_what_it_reads_is_leased_before_anybody_asks_and_so_is_what_a_name_moves_to() -> None:
    shop = Shop()
    shop.learner()
    async with shop.running():
        assert set(shop.memory.leases()) == {"memory/ranking/popular@1"}
        shop.learner(version=2)
        await until(lambda: "memory/ranking/popular@2" in shop.memory.leases())


async def test_a_default_makes_it_ready_without_any_storage() -> None:
    async with Shop(popular(default=Recommendations([]))).running() as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_it_starts_and_stays_alive_while_the_storages_are_away() -> None:
    class Away(MemoryReads):
        away = True

        async def listed(self) -> Listed:
            if self.away:
                raise StorageUnavailable("away")
            return await super().listed()

    shop = Shop()
    shop.learner()
    reads = Away(shop.memory)
    shop.catalogue = Catalogue({"memory": reads})
    service = shop.service()
    async with shop.running(service) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        reads.away = False
        await until(lambda: not service.endpoints.obstacles())
        assert (await client.get("/readyz")).status_code == 200


async def test_it_does_not_wait_long_for_storages_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(MemoryReads):
        async def listed(self) -> Listed:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(module, "FIRST", 0.02)
    shop = Shop()
    shop.catalogue = Catalogue({"memory": Hanging(shop.memory)})
    async with shop.running() as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_slow_technology_delays_the_discovery_of_no_new_name_in_another() -> None:
    class Hanging(MemoryReads):
        async def listed(self) -> Listed:
            await asyncio.Event().wait()
            raise AssertionError

    shop = Shop()
    shop.catalogue = Catalogue({"memory": MemoryReads(shop.memory), "slow": Hanging(Memory())})
    service = shop.service()
    async with shop.running(service):
        assert service.endpoints.obstacles()
        shop.learner()
        began = time.monotonic()
        await until(lambda: not service.endpoints.obstacles())
        assert time.monotonic() - began < 10


async def test_the_index_lists_types_with_schemas_implementations_and_experiment() -> None:
    shop = Shop(popular(), experiments=[SPLIT])
    shop.learner()
    async with shop.running() as client:
        [found] = (await client.get("/v1")).json()["endpoints"]
    assert (found["name"], found["unit"], found["deadline_ms"]) == ("recommend", "user", 200)
    assert found["request"]["$ref"] == "#/$defs/Recommend"
    assert [item["split"] for item in found["experiments"]] == [{"popular_now": 50, "newest": 50}]
    assert found["ordinary"] == "popular_now"
    assert [item["name"] for item in found["implementations"]] == ["popular_now", "newest"]
    assert found["implementations"][0]["reads"] == ["memory/ranking/popular@1"]
    assert found["implementations"][0]["description"] == "What is popular."


async def test_experiments_are_listed_by_variant_before_anything_is_counted() -> None:
    async with Shop(popular(), experiments=[SPLIT]).running() as client:
        rows = (await client.get("/v1/experiments")).json()["variants"]
    assert [(row["experiment"], row["endpoint"], row["variant"], row["split"]) for row in rows] == [
        ("first", "recommend", "popular_now", 50),
        ("first", "recommend", "newest", 50),
    ]
    assert {row["rate"] for row in rows} == {None}


async def test_experiments_have_the_counts_of_the_learners_that_keep_them() -> None:
    shop = Shop(popular(), experiments=[SPLIT])
    counted = {"experiment_decisions": {"popular_now": 200, "newest": 100}, "experiment_rewards_click": {"newest": 20}}
    for name, sums in counted.items():
        shop.memory.declare(Counters(name, technology="memory").describe(name, 1, 1, "decisions"))
        claim = shop.memory.claim(UnitId(name, 1, 1, "decisions", 0), "owner")
        shop.memory.commit(claim, None, 1, Writes(sums={Address(f"counters/{name}", "first"): sums}), None)
    service = shop.service()
    async with shop.running(service) as client:
        await service.measurements.sample()
        rows = (await client.get("/v1/experiments")).json()["variants"]
    assert [(row["decisions"], row["rewards"], row["rate"]) for row in rows] == [(200, 0, 0.0), (100, 20, 0.2)]


async def test_metrics_are_prometheus_text_and_add_up() -> None:
    shop = Shop(popular(default=Recommendations([])))
    async with shop.running() as client:
        for _ in range(3):
            await client.post("/v1/recommend", json={"user": "u1"})
        await client.post("/v1/recommend/newest", json={"user": "u1"})
        await client.post("/v1/recommend", json={})
        answer = await client.get("/metrics")
    text = answer.text

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'millrace_answer_seconds_count{endpoint="recommend"} 4' in text
    assert 'millrace_answer_seconds_bucket{endpoint="recommend",le="+Inf"} 4' in text
    assert 'millrace_fallbacks_total{endpoint="recommend"} 3' in text
    assert 'millrace_problems_total{endpoint="recommend",status="400"} 1' in text
    buckets = [int(count) for count in re.findall(r"_bucket\{.*\} (\d+)", text)]
    assert buckets == sorted(buckets)
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line), line


async def test_every_answer_counts_among_the_decisions() -> None:
    shop = Shop()
    shop.learner()
    service = shop.service()
    async with shop.running(service) as client:
        for _ in range(5):
            await client.post("/v1/recommend", json={"user": "u1"})
        await until(lambda: service.decisions.counts()["logged"] == 5)
        counts = (await client.get("/v1/decisions")).json()
    assert {name for name, count in counts.items() if count} == {"answers", "logged"}


async def test_the_console_shows_what_is_served() -> None:
    shop = Shop()
    shop.learner()
    service = shop.service()
    async with shop.running(service) as client:
        await service.measurements.sample()
        page = await client.get("/console/endpoints")
        root = await client.get("/")
    assert page.status_code == 200
    assert "popular_now" in page.text
    assert root.headers["location"] == "/console/flow"


async def test_when_the_server_begins_to_stop_the_consoles_streams_end() -> None:
    shop = Shop()
    service = shop.service()
    async with shop.running(service) as client:
        streaming = asyncio.create_task(client.get("/console/flow/live"))
        await until(lambda: service.measurements.at is not None)
        service.app().state.stopping()
        async with asyncio.timeout(60):
            assert (await streaming).status_code == 200


async def test_its_end_waits_for_decisions_to_be_acknowledged() -> None:
    class Slow(Shop):
        """Acknowledges only when the end has come."""

    shop = Slow()
    shop.learner()
    held: list[Callable[[], None]] = []

    def send(event_type: EventType, value: object, on_delivery: Callable[[Exception | None, int, int], None]) -> None:
        held.append(lambda: on_delivery(None, 0, 0))

    shop.kafka.send = send  # type: ignore[assignment, method-assign]
    service = shop.service()
    async with shop.running(service) as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        await until(lambda: held)
        asyncio.get_running_loop().call_later(0.05, held[0])
    assert service.decisions.counts()["logged"] == 1


async def test_a_fault_of_the_service_itself_is_a_problem_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    shop.learner()
    service = shop.service()
    monkeypatch.setattr(service.decisions, "put", lambda entry: 1 // 0)
    app = service.app()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:millrace:problem:service-failed")
    assert "division" not in answer.text


async def test_a_service_without_an_intake_has_no_addresses_for_events() -> None:
    async with Shop().running(Shop().service(events=None)) as client:
        answer: httpx.Response = await client.post("/events/clicks", json={})
    assert answer.status_code == 404
