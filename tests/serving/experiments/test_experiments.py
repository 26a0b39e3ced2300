"""Experiments over HTTP, in replicas that share a table: changed together, kept on disk, refused in words."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from schemas.table import MemoryTable
from serving import Experiment, Service, Shared
from serving.experiments.experiments import Experiments
from serving.experiments.fitting import Fit
from serving.experiments.known import declared
from serving.experiments.routes import ExperimentsRoutes
from serving.experiments.snapshot import load
from tests.away_table import AwayTable
from tests.serving.access.keyed import Keyed, logged_in
from tests.serving.access.test_login import token
from tests.serving.experiments.test_changes import Loaded
from tests.serving.shop import SPLIT, Goal, Recommend, Recommendations, Shop, popular, problem, recommend
from tests.waiting import until_async

FIRST = {"endpoint": "recommend", "split": {"popular_now": 1, "newest": 1}, "goal": "click", "by": "ada"}
AT = "/v1/experiments/first"


class Stage:
    """Replicas over one table."""

    def __init__(self, folder: Path) -> None:
        self.table, self.folder = AwayTable(), folder
        self.stack = AsyncExitStack()

    def service(self, name: str = "a", *experiments: Experiment, **options: Any) -> tuple[Shop, Service]:
        shop = Shop(options.pop("type", popular(default=Recommendations([]))), experiments=experiments)
        shared = Shared(self.table, self.folder / name)
        return shop, shop.service(goals=[Goal()], shared=shared, **options)

    async def replica(self, name: str = "a", *experiments: Experiment, **options: Any) -> httpx.AsyncClient:
        """A running replica; `name` is that of its file."""
        shop, service = self.service(name, *experiments, **options)
        return await self.stack.enter_async_context(shop.running(service))


@pytest.fixture
async def stage(tmp_path: Path) -> Any:
    stage = Stage(tmp_path)
    async with stage.stack:
        yield stage


async def running(client: httpx.AsyncClient) -> list[str]:
    [endpoint] = (await client.get("/v1")).json()["endpoints"]
    return [f"{item['name']} {item['ramp']:g}" for item in endpoint["experiments"]]


async def variants(client: httpx.AsyncClient, units: int = 200) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    for number in range(units):
        answer = await client.post("/v1/recommend", json={"user": f"u{number}"})
        assert answer.status_code == 200
        variant = answer.headers.get("millrace-variant")
        found[variant] = found.get(variant, 0) + 1
    return found


async def test_an_experiment_that_is_started_at_one_replica_runs_on_all(stage: Stage) -> None:
    one, other = await stage.replica("a"), await stage.replica("b")
    assert await variants(one) == {None: 200}
    made = await one.put(AT, json={**FIRST, "ramp": 50, "note": "to see"})
    assert made.status_code == 200, made.text
    assert (made.json()["state"], made.json()["ranges"], made.json()["source"]) == ("running", [[0, 5000]], "topic")

    async def there() -> bool:
        return await running(other) == ["first 50"]

    assert await running(one) == ["first 50"]
    await until_async(there)
    shares = await variants(one)
    assert shares == await variants(other)
    assert set(shares) == {None, "popular_now", "newest"}


async def test_all_of_its_life_over_http(stage: Stage) -> None:
    client = await stage.replica()
    await client.put(AT, json={**FIRST, "draft": True})
    assert await running(client) == []
    await client.post(f"{AT}/start", json={"ramp": 10})
    assert await running(client) == ["first 10"]
    await client.post(f"{AT}/ramp", json={"ramp": 100, "by": "ada", "note": "well so far"})
    assert set(await variants(client)) == {"popular_now", "newest"}
    shipped = await client.post(f"{AT}/ship", json={"variant": "newest"})
    assert (shipped.json()["state"], shipped.json()["shipped"]) == ("shipped", "newest")
    assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": ["new"]}
    await client.post(f"{AT}/rollback")
    assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": []}
    await client.post(f"{AT}/start")
    stopped = (await client.post(f"{AT}/stop", json={"by": "ada"})).json()

    shown = (await client.get(AT)).json()
    assert shown == stopped
    assert [change["action"] for change in shown["history"]] == [
        *("create", "start", "ramp", "ship", "rollback", "start", "stop")
    ]
    assert {change["by"] for change in shown["history"]} == {"http", "ada"}
    listed = (await client.get("/v1/experiments")).json()
    assert [item["name"] for item in listed["experiments"]] == ["first"]
    assert [(row["variant"], row["split"], row["state"]) for row in listed["variants"]] == [
        ("popular_now", 1, "stopped"),
        ("newest", 1, "stopped"),
    ]


async def test_two_experiments_on_one_endpoint_type_share_no_unit_and_others_get_the_ordinary_answer(
    stage: Stage,
) -> None:
    shop, service = stage.service("a", Experiment("first", "recommend", {"newest": 1}, "click", 40))
    shop.learner()
    client = await stage.stack.enter_async_context(shop.running(service))
    made = await client.put("/v1/experiments/second", json={**FIRST, "ramp": 30})
    assert made.json()["ranges"] == [[4000, 7000]]
    await variants(client, 400)
    async with asyncio.timeout(60):
        while len(shop.kafka.decisions) < 400:
            await asyncio.sleep(0.01)
    by_unit = {item.unit: item for item in shop.kafka.decisions}
    shares = [[item.experiment for item in by_unit.values()].count(name) for name in ("first", "second", None)]
    assert [abs(share - wanted) < 40 for share, wanted in zip(shares, (160, 120, 120), strict=True)] == [True] * 3
    outside = {(item.implementation, item.propensity) for item in by_unit.values() if item.experiment is None}
    assert outside == {("popular_now", 1.0)}
    assert {item.propensity for item in by_unit.values() if item.experiment == "second"} == {0.5}


async def test_a_replica_starts_and_answers_from_its_file_while_kafka_is_away(stage: Stage) -> None:
    client = await stage.replica("a")
    await client.put(AT, json={**FIRST, "ramp": 30})
    before = await variants(client)
    await stage.stack.aclose()
    assert list(load(stage.folder / "a")) == ["first"]

    stage.table.away = True
    again = await stage.replica("a")
    assert await variants(again) == before
    refused = await again.post(f"{AT}/stop")
    assert problem(refused)[:2] == (503, "experiments-unavailable")
    assert refused.headers["retry-after"] == "1"
    assert "no broker answered" in problem(refused)[2]
    assert "does not answer" in (await again.get("/v1/experiments")).json()["away"]
    stage.table.away = False

    async def back() -> bool:
        return (await again.get("/v1/experiments")).json()["away"] is None

    await until_async(back)
    assert (await again.post(f"{AT}/stop")).json()["state"] == "stopped"


async def test_a_damaged_file_is_said_and_does_not_keep_a_replica_from_starting(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (stage.folder / "a").write_bytes(b"MREX rubbish, cut")
    client = await stage.replica("a")
    assert await variants(client, 3) == {None: 3}
    assert "is no snapshot of experiments" in caplog.text
    await client.put(AT, json=FIRST)
    assert list(load(stage.folder / "a")) == ["first"]


async def test_a_row_that_cannot_be_read_changes_nothing_and_is_said_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    client = await stage.replica()
    await client.put(AT, json=FIRST)
    with caplog.at_level(logging.ERROR):
        stage.table.change(lambda rows: ("first", b"rubbish"))
        stage.table.change(lambda rows: ("other\x1b", b'{"format": 99}'))

        async def said() -> bool:
            return len(caplog.records) >= 2

        await until_async(said)
    assert await running(client) == ["first 100"]
    await client.put("/v1/experiments/second", json={**FIRST, "draft": True})
    assert len([line for line in caplog.text.splitlines() if "'first' in the topic is left aside" in line]) == 1
    assert "\x1b" not in caplog.text
    assert "the format 99" in caplog.text


async def test_what_the_code_declares_holds_until_it_is_changed_and_then_the_difference_is_said(stage: Stage) -> None:
    client = await stage.replica("a", SPLIT)
    shown = (await client.get(AT)).json()
    assert (shown["source"], shown["differs"], shown["history"][0]["by"]) == ("code", None, "product.toml")
    changed = (await client.post(f"{AT}/ramp", json={"ramp": 20, "by": "ada"})).json()
    assert (changed["source"], changed["differs"]) == ("topic", "ramp 100 % in the code and 20 % here")
    assert await running(await stage.replica("b", SPLIT)) == ["first 20"]


async def test_an_experiment_whose_variant_is_not_loaded_here_is_left_aside_until_it_is(stage: Stage) -> None:
    kind, newer = recommend(default=Recommendations([])), recommend(default=Recommendations([]))

    async def popular_now(request: Recommend) -> Recommendations:
        return Recommendations(["old code"])

    async def newest(request: Recommend) -> Recommendations:
        return Recommendations(["new"])

    kind.implementation(popular_now)
    newer.implementation(popular_now)
    newer.implementation(newest)
    one = await stage.replica("a")
    shop, service = stage.service("b", type=kind)
    other = await stage.stack.enter_async_context(shop.running(service))
    await one.put(AT, json=FIRST)

    async def said() -> bool:
        return bool((await other.get("/v1/experiments")).json()["experiments"])

    await until_async(said)
    shown = (await other.get(AT)).json()
    assert "gives traffic to newest, no implementation of recommend" in shown["problem"]
    assert await variants(other, 20) == {None: 20}
    assert service.endpoints.take([newer]) == ()
    assert await running(other) == ["first 100"]
    [refusal] = service.endpoints.take([kind])
    assert "gives traffic to newest" in refusal


@pytest.mark.parametrize(
    ("change", "status", "kind", "which"),
    [
        ({"endpoint": "elsewhere"}, 422, "wrong-experiment", "endpoint"),
        ({"split": {"nobody": 1}}, 422, "wrong-experiment", "split"),
        ({"split": {"newest": 0}}, 422, "wrong-experiment", "split"),
        ({"split": {"newest": "1"}}, 422, "wrong-request", "split[...]"),
        ({"split": {}}, 422, "wrong-experiment", "split"),
        ({"split": {"newest": 10**12}}, 422, "wrong-experiment", "split"),
        ({"goal": "clik"}, 422, "wrong-experiment", "goal"),
        ({"ramp": 0}, 422, "wrong-experiment", "ramp"),
        ({"ramp": 101}, 422, "wrong-experiment", "ramp"),
        ({"ramp": 1e400}, 422, "wrong-request", "ramp"),
        ({"layer": "a b"}, 422, "wrong-experiment", "layer"),
        ({"by": "a\n"}, 422, "wrong-experiment", "by"),
        ({"unknown": 1}, 422, "wrong-request", "unknown"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_field(
    stage: Stage, change: dict[str, Any], status: int, kind: str, which: str | None
) -> None:
    client = await stage.replica()
    text = json.dumps({**FIRST, **change}).replace("Infinity", "1e999")
    answer = await client.put(AT, content=text)
    assert problem(answer)[:2] == (status, kind), answer.text
    assert answer.json().get("field") == which
    assert (await client.get("/v1/experiments")).json()["experiments"] == []


async def test_conflicts_unknown_names_and_other_sites_are_refused(stage: Stage) -> None:
    client = await stage.replica()
    await client.put(AT, json=FIRST)
    assert problem(await client.put(AT, json={**FIRST, "split": {"newest": 1}}))[:2] == (409, "experiment-conflict")
    assert problem(await client.post(f"{AT}/rollback"))[:2] == (409, "experiment-conflict")
    assert problem(await client.post("/v1/experiments/frist/stop"))[:2] == (404, "unknown-experiment")
    assert problem(await client.get("/v1/experiments/frist"))[:2] == (404, "unknown-experiment")
    assert problem(await client.put("/v1/experiments/a.b", json=FIRST))[:2] == (422, "wrong-experiment")
    evil = await client.post(f"{AT}/stop", headers={"origin": "https://evil.example"})
    assert problem(evil)[:2] == (403, "cross-site")
    assert await running(client) == ["first 100"]


async def test_the_page_of_a_draft_tells_nothing_of_another_experiment(stage: Stage) -> None:
    client = await stage.replica("a", SPLIT)
    await client.put("/v1/experiments/second", json={**FIRST, "draft": True})
    assert "first has no decisions yet." in (await client.get("/console/experiments?experiment=first")).text
    page = (await client.get("/console/experiments?experiment=second")).text
    assert "Prepared: second" in page
    assert "first has no decisions yet." not in page


async def test_a_service_without_a_table_serves_what_the_code_declares_and_says_that_nothing_can_be_changed() -> None:
    shop = Shop(popular(default=Recommendations([])), experiments=[SPLIT])
    async with shop.running(shop.service(goals=[Goal()])) as client:
        assert await running(client) == ["first 100"]
        assert problem(await client.post(f"{AT}/stop"))[:2] == (503, "experiments-unavailable")


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["recommend", "newest", "click", "a" * 101, "\x00", "../..", "٣"]),
)
ODDER = st.one_of(ODD, st.lists(ODD, max_size=2), st.dictionaries(st.sampled_from(["newest", "popular_now", "x"]), ODD))
BODY = st.dictionaries(
    st.sampled_from(["endpoint", "split", "goal", "ramp", "layer", "draft", "by", "note", "variant"]), ODDER
)


LOADED = Loaded({"recommend": ("newest", "popular_now")})


@settings(max_examples=150)
@given(
    st.sampled_from(["", "/start", "/ramp", "/ship", "/stop", "/rollback"]),
    st.sampled_from(["first", "second", "a.b", "\x00"]) | st.text(min_size=1, max_size=5),
    BODY | ODDER,
    st.booleans(),
)
def test_whatever_is_sent_the_answer_says_whose_fault_it_is(action: str, name: str, body: Any, whole: bool) -> None:
    if whole and isinstance(body, dict):
        body = {**FIRST, **body}

    async def sent() -> httpx.Response:
        experiments = Experiments(declared([SPLIT], "code"), MemoryTable())
        routes = ExperimentsRoutes(experiments, LOADED, Fit, list).routes()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://x"
        ) as it:
            path = f"/v1/experiments/{quote(name, safe='', errors='replace')}{action}"
            return await it.request("POST" if action else "PUT", path, content=json.dumps(body))

    assert asyncio.run(sent()).status_code in (200, 400, 404, 405, 409, 422)


async def test_the_history_names_the_key_that_nobody_can_choose(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, ops="admin", console="admin", shop="answer")
    shared = Shared(MemoryTable())
    service = keyed.shop.service(access=keyed.access, goals=[Goal()], shared=shared)
    async with keyed.running(service) as client:
        assert (await client.put(AT, json=FIRST, headers=keyed.bearer("shop"))).status_code == 403
        await client.put(AT, json={**FIRST, "by": "a" * 100}, headers=keyed.bearer("ops"))
        await logged_in(keyed, client)
        page = await client.get("/console/experiments?experiment=first&ask=stop")
        form = {"do": "stop", "name": "first", "by": "Ada", "reader": "somebody else", "csrf-token": token(page)}
        await client.post("/console/experiments", data=form, headers={"origin": "http://shop"})
        history = (await client.get(AT, headers=keyed.bearer("ops"))).json()["history"]
    assert [change["by"] for change in history] == ["ops", "console (Ada)"]
