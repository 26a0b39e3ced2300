"""A service takes products: what does not fit is refused and changes nothing, and replicas change together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from learners import Goal
from millrace.deployments import archive, store
from millrace.deployments.archive import Archive
from millrace.deployments.crews import wanted
from millrace.deployments.errors import DeploymentConflict, DeploymentRefused
from millrace.deployments.loading import OnDisk, loaded
from millrace.deployments.names import Names
from millrace.deployments.receiver import Own, Receiver
from millrace.deployments.record import Record, Who
from millrace.deployments.report import Report, report_of
from millrace.deployments.shelf import Shelf
from millrace.deployments.store import Store
from millrace.deployments.taking import must_ask_for_keys, must_take_deployments, served_of
from millrace.settings import Settings, SettingsError
from schemas.errors import MillraceError
from schemas.table import MemoryTable
from serving import Shared
from tests.away_table import AwayTable
from tests.millrace.deployments import product_folder
from tests.serving.access.keyed import Keyed
from tests.serving.shop import Recommendations, Shop, popular
from tests.waiting import until_async

SETTINGS = Settings()
OTHER = """@lively.implementation
async def other(request: Ask) -> Items:
    return Items([])


"""


EXPERIMENT = """[goals.tapped]
topic = "lively_taps"
decision = "item"
first = false
[experiments.first]
endpoint = "lively"
goal = "tapped"
split = {{ popular = {part}, other = 50 }}
"""


def checked(place: OnDisk) -> Report:
    """The check without its process and its storages."""
    try:
        return report_of(loaded(place), SETTINGS)
    except MillraceError as error:
        raise DeploymentRefused(str(error)) from error


class Stage:
    """Services over one topic, and a product in a folder."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder, self.stack, self.table = folder, stack, AwayTable()
        self.product = product_folder.write(folder, "lively")
        self.check: Callable[[OnDisk], Report] = checked
        self.prepared: list[Report] = []
        self.gone: list[str] = []

    async def service(self, disk: str = "one", **options: Any) -> httpx.AsyncClient:
        """A service with a disk of its own, which was started with the shop's endpoint type `recommend`."""
        shop = Shop(popular(default=Recommendations([])))
        receiver = Receiver(
            Store(self.table, Shelf(self.folder / disk)),
            served=lambda product: served_of(product, SETTINGS),
            prepare=self.prepared.append,
            storages=lambda: [item.storage for item in shop.catalogue.storages()],
            own=Own("shop", Names(endpoints=["recommend"], topics={"clicks": "user"})),
            check=lambda place: self.check(place),
            gone=self.gone.append,
        )
        service = shop.service(deployments=receiver, **options)
        return await self.stack.enter_async_context(shop.running(service))

    async def send(self, client: httpx.AsyncClient, name: str = "lively", **query: str) -> httpx.Response:
        body = Archive.of_folder(self.product)[0].packed()
        return await client.put(f"/v1/deployments/{name}", content=body, params={"by": "ann", **query})

    def change(self, file: str, old: str, new: str) -> None:
        product_folder.replace(self.product, file, old, new)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(tmp_path, stack)


async def implementation(client: httpx.AsyncClient) -> str | None:
    """The hash of what answers `lively`; None if nothing does."""
    listed = (await client.get("/v1")).json()["endpoints"]
    found = [item["implementations"][0]["hash"] for item in listed if item["name"] == "lively"]
    return found[0] if found else None


async def standing(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/v1/deployments/lively")).json()  # type: ignore[no-any-return]


async def test_a_deployed_product_stands_beside_the_own_one_and_takes_its_events(stage: Stage) -> None:
    client = await stage.service()
    done = await stage.send(client, note="try")
    assert done.status_code == 200, done.text
    found = done.json()
    assert (found["state"], found["storages_missing"]) == ("live", ["ranking/lively_popular"])
    assert found["unable"][0].startswith("lively/popular: ranking/lively_popular does not exist")
    assert [(item["by"], item["action"], item["note"]) for item in found["history"]] == [("ann", "deploy", "try")]
    assert list(stage.prepared[0].topics) == ["lively_taps"]
    assert [item["name"] for item in (await client.get("/v1")).json()["endpoints"]] == ["recommend", "lively"]
    assert (await client.post("/events/lively_taps", json={"user": "u", "item": "i"})).status_code == 202
    asked = await client.post("/v1/lively", json={"user": "u"})
    assert (asked.status_code, asked.json()["type"]) == (503, "urn:millrace:problem:storage-missing")


async def test_a_deployed_product_that_waits_for_its_storages_makes_no_replica_unready(stage: Stage) -> None:
    client = await stage.service()
    await stage.send(client)
    ready = await client.get("/readyz")
    assert (ready.status_code, list(ready.json()["waiting"])) == (200, ["lively"])


async def test_replicas_change_together_and_one_that_starts_without_kafka_serves_what_it_has(stage: Stage) -> None:
    one, other = await stage.service("one"), await stage.service("other")
    await stage.send(one)
    first = await implementation(one)

    async def same() -> bool:
        return await implementation(other) == await implementation(one)

    await until_async(same, 30)
    stage.change("endpoints.py", '"first"', '"second"')
    await stage.send(other)
    await until_async(same, 30)
    assert await implementation(one) not in (None, first)

    stage.table.away = True
    alone = await stage.service("other")
    assert await implementation(alone) == await implementation(one)
    refused = await stage.send(alone)
    assert refused.status_code == 503
    assert "no broker answered" in refused.json()["detail"]

    stage.table.away = False
    assert (await one.delete("/v1/deployments/lively", params={"by": "bob"})).json()["state"] == "undeployed"
    assert stage.gone == ["lively"], "nobody reads for it any more"

    async def gone() -> bool:
        return [await implementation(client) for client in (one, other, alone)] == [None, None, None]

    await until_async(gone, 30)


async def test_an_earlier_version_is_deployed_again_by_the_beginning_of_its_hash(stage: Stage) -> None:
    client = await stage.service()
    first = (await stage.send(client)).json()["hash"]
    before = await implementation(client)
    stage.change("endpoints.py", '"first"', '"second"')
    await stage.send(client)
    again = await client.put("/v1/deployments/lively", params={"again": first[:6]})
    assert (again.status_code, again.json()["hash"]) == (200, first)
    assert await implementation(client) == before
    unknown = await client.put("/v1/deployments/lively", params={"again": "ffffff"})
    assert (unknown.status_code, first[:12] in unknown.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("file", "old", "new", "status", "why"),
    [
        ("endpoints.py", "import msgspec", "import nowhere", 422, "No module named 'nowhere'"),
        ("endpoints.py", '"{name}", Ask', '"recommend", Ask', 409, "endpoint type recommend is shop's already"),
        ("events.py", "lively_taps", "clicks", 409, "clicks have the key user in shop, and item here"),
        ("events.py", "lively_taps", "deployments", 409, "deployments is the platform's own"),
        ("endpoints.py", "size: int = 3", "size: str = ''", 409, "`size` of the request took integer"),
        ("learners.py", 'mr.Ranking("{name}_popular")', "None", 422, "declares no storage"),
    ],
)
async def test_what_does_not_fit_is_refused_and_the_version_before_answers(
    stage: Stage, file: str, old: str, new: str, status: int, why: str
) -> None:
    client = await stage.service()
    await stage.send(client)
    before, hash = await implementation(client), (await standing(client))["hash"]
    if "clicks" in new:
        stage.change("events.py", 'key="user"', 'key="item"')
    stage.change(file, old.replace("{name}", "lively"), new)
    refused = await stage.send(client)
    assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json"), refused.text
    assert why in refused.json()["detail"]
    found = await standing(client)
    assert (found["state"], found["hash"], await implementation(client)) == ("live", hash, before)
    assert [item["action"] for item in found["history"]] == ["deploy", "refuse"]
    assert why in found["history"][1]["why"]
    assert [item.name for item in (stage.folder / "one" / "lively").iterdir()] == [hash[:16]]


async def test_the_addresses_are_in_the_document_of_a_service_that_takes_products(stage: Stage, tmp_path: Path) -> None:
    client = await stage.service(access=(keys := Keyed(tmp_path, ci="deploy")).access)
    client.headers.update(keys.bearer("ci"))
    paths = (await client.get("/openapi.json")).json()["paths"]
    put = paths["/v1/deployments/{name}"]["put"]
    assert [scope for item in put["security"] for scope in item["key"]] == ["admin", "deploy"]
    assert [item["name"] for item in put["parameters"]] == ["by", "note", "again"]
    assert (await client.get("/docs")).status_code == 200


async def test_a_key_for_deploying_is_asked_for_and_named_in_the_history(stage: Stage, tmp_path: Path) -> None:
    keys = Keyed(tmp_path, ci="deploy", shop="answer")
    client = await stage.service(access=keys.access)
    assert (await stage.send(client)).status_code == 401
    client.headers.update(keys.bearer("shop"))
    assert (await stage.send(client)).status_code == 403
    client.headers.update(keys.bearer("ci"))
    assert (await stage.send(client)).json()["history"][-1]["by"] == "ci (ann)"


def test_where_others_reach_the_service_nothing_can_be_deployed_without_keys() -> None:
    open_to_all = replace(SETTINGS, service_host="0.0.0.0", allow_insecure_service=True)
    must_ask_for_keys(open_to_all, keyed=False)
    must_ask_for_keys(replace(SETTINGS, deployments=True), keyed=False)
    must_ask_for_keys(replace(open_to_all, deployments=True), keyed=True)
    with pytest.raises(SettingsError, match="no key"):
        must_ask_for_keys(replace(open_to_all, deployments=True), keyed=False)
    with pytest.raises(SettingsError, match="Deployments are off"):
        must_take_deployments(SETTINGS)


async def test_two_products_may_not_have_one_name_and_whose_it_is_is_told(stage: Stage) -> None:
    client = await stage.service()
    await stage.send(client)
    refused = await stage.send(client, "copy")
    assert refused.status_code == 409
    for what in ("endpoint type lively", "learner lively_popular", "storage ranking/lively_popular"):
        assert f"The {what} is lively's already" in refused.json()["detail"]
    assert (await stage.send(client, "shop")).status_code == 409
    assert (await stage.send(client, "no-name")).status_code == 422


async def test_what_an_experiment_runs_on_is_neither_taken_back_nor_changed_under_it(stage: Stage) -> None:
    stage.change("endpoints.py", "@lively.implementation", f"{OTHER}@lively.implementation")
    client = await stage.service(goals=[Goal("click", "clicks")], shared=Shared(MemoryTable()))
    await stage.send(client)
    wanted = {"endpoint": "lively", "split": {"popular": 1, "other": 1}, "goal": "click"}
    assert (await client.put("/v1/experiments/first", json=wanted)).status_code == 200
    taken_back = await client.delete("/v1/deployments/lively")
    assert (taken_back.status_code, "first on lively" in taken_back.json()["detail"]) == (409, True)
    stage.change("endpoints.py", OTHER, "")
    changed = await stage.send(client)
    assert changed.status_code == 409
    assert "Experiment first gives traffic to other, no implementation of lively" in changed.json()["detail"]
    assert (await client.post("/v1/experiments/first/stop", json={})).status_code == 200
    assert (await stage.send(client)).status_code == 200


def experimenting(stage: Stage) -> Path:
    """Give the product a second implementation, a goal and an experiment, which is in the file that is returned."""
    stage.change("endpoints.py", "@lively.implementation", f"{OTHER}@lively.implementation")
    stage.change("events.py", "import millrace", "from datetime import datetime\n\nimport millrace")
    stage.change("events.py", "item: str", "item: str\n    at: datetime")
    file = stage.product / "product.toml"
    file.write_text(EXPERIMENT.format(part=50), "utf-8")
    return file


async def test_experiments_that_a_product_declares_are_drafts_and_what_somebody_made_of_them_stays(
    stage: Stage,
) -> None:
    product_toml = experimenting(stage)
    client = await stage.service(shared=Shared(MemoryTable()))

    async def first() -> tuple[str, Any, int]:
        found = (await client.get("/v1/experiments/first")).json()
        return found["state"], found["split"], len(found["history"])

    assert (await stage.send(client)).json()["left"] == []
    assert await first() == ("draft", {"popular": 50, "other": 50}, 1)
    assert (await client.get("/v1/experiments/first")).json()["history"][0]["by"] == "ann"
    assert (await client.post("/v1/experiments/first/start", json={})).status_code == 200
    assert (await stage.send(client)).json()["left"] == []
    product_toml.write_text(EXPERIMENT.format(part=10))
    [other] = (await stage.send(client)).json()["left"]
    assert "first of product.toml is not prepared: there is one already, running, which differs" in other
    assert await first() == ("running", {"popular": 50, "other": 50}, 2)


async def test_where_experiments_cannot_be_prepared_the_product_is_deployed_and_that_is_said(stage: Stage) -> None:
    experimenting(stage)
    client = await stage.service()
    done = (await stage.send(client)).json()
    assert done["state"] == "live"
    assert "first of product.toml is not prepared: This service has no table of experiments" in done["left"][0]
    assert (await client.delete("/v1/deployments/lively")).json()["left"] == []


async def test_a_replica_that_cannot_load_it_keeps_what_it_has_and_says_why(stage: Stage) -> None:
    one, other = await stage.service("one"), await stage.service("other")
    await stage.send(one)
    first = await implementation(one)

    async def has_first() -> bool:
        return await implementation(other) == first

    await until_async(has_first, 30)

    def broken_elsewhere(place: OnDisk) -> Report:
        if "other" in place.folder.parts:
            raise DeploymentRefused("this machine has no such library")
        return checked(place)

    stage.check = broken_elsewhere
    stage.change("endpoints.py", '"first"', '"second"')
    assert (await stage.send(one)).json()["state"] == "live"

    async def failed() -> bool:
        return bool((await standing(other))["state"] == "failed")

    await until_async(failed, 30)
    assert (await standing(other))["problem"] == "this machine has no such library"
    page = (await other.get("/console/endpoints")).text
    assert '<span class="state bad">failed</span>' in page
    assert "<td>this machine has no such library</td>" in page
    assert await implementation(other) == first
    stage.check = checked

    async def has_second() -> bool:
        return await implementation(other) == await implementation(one)

    await until_async(has_second, 30)
    assert (await standing(other))["state"] == "live"


async def test_who_is_killed_in_the_middle_has_deployed_nothing_and_can_do_it_again(stage: Stage) -> None:
    # Given a service that was killed after it had sent parts of an archive, and while it was unpacking
    name = "product/lively"
    stage.table.change(lambda rows: ("archive/lively/" + "0" * 64 + "/0", b"a part"))
    partial = stage.folder / "one" / "lively" / ".partial-0"
    partial.mkdir(parents=True)
    (partial / "half.py").write_text("x")
    client = await stage.service()
    assert (await client.get("/v1/deployments")).json()["products"] == []

    # Then the product can be deployed, and what was left of the archive goes
    assert (await stage.send(client)).status_code == 200
    assert sorted(key.partition("/")[0] for key in stage.table.rows()) == ["archive", "product"]
    assert name in stage.table.rows()


async def test_an_archive_travels_in_parts_and_only_those_of_the_last_versions_are_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PART", 100)
    one, other = await stage.service("one"), await stage.service("other")
    for version in range(7):
        (stage.product / "data.csv").write_text(f"{version}")
        assert (await stage.send(one)).status_code == 200
    kept = (await standing(one))["versions"]
    assert len(kept) == 5
    parts = [key.split("/")[2:] for key in stage.table.rows() if key.startswith("archive/")]
    assert {hash for hash, _ in parts} == set(kept)
    assert len(parts) > 5 * len(kept)

    async def same() -> bool:
        found = await standing(other)
        return (found.get("state"), found.get("hash")) == ("live", kept[-1])

    await until_async(same, 30)


def test_of_several_products_with_goals_one_counts_decisions_and_another_goes_on_where_that_one_goes() -> None:
    learned = Names(learners=["one"])
    records = {
        "a": Record("a", hash="1", names=learned),
        "b": Record("b", hash="2", names=learned, counts=True),
        "c": Record("c", hash="3", names=learned, counts=True),
        "d": Record("d", hash="4"),
    }
    assert wanted(records) == {"a": ("1", False), "b": ("2", True), "c": ("3", False)}
    assert wanted({**records, "b": Record("b")}) == {"a": ("1", False), "c": ("3", True)}


def test_of_two_who_were_checked_at_the_same_time_the_second_is_refused(tmp_path: Path) -> None:
    shared = MemoryTable()
    one, other = (Store(shared, Shelf(tmp_path / disk)) for disk in ("one", "other"))
    report, sent = Report(names=Names(endpoints=["lively"])), Archive({"a.py": ""})
    one.publish("first", sent, report, Who("ann"), counts=False)
    with pytest.raises(DeploymentConflict, match="endpoint type lively is first's already"):
        other.publish("second", sent, report, Who("bob"), counts=False)
    assert [record.hash for record in other.records().values()] == [sent.hash]


def test_tries_in_vain_do_not_displace_the_history_of_changes() -> None:
    record = Record("a").deployed("1", 1, Report(), Who("ann"), counts=False)
    for number in range(60):
        record = record.refused(f"{number}", "why", Who("bob"))
    assert [change.action for change in record.history] == ["deploy", *["refuse"] * 10]
    assert record.last is not None
    assert (record.last.by, record.history[-1].hash) == ("ann", "59")


async def test_pages_of_other_sites_deploy_nothing(stage: Stage) -> None:
    client = await stage.service()
    body = Archive.of_folder(stage.product)[0].packed()
    for headers in ({"origin": "http://elsewhere"}, {"sec-fetch-site": "cross-site"}):
        assert (await client.put("/v1/deployments/lively", content=body, headers=headers)).status_code == 403
        assert (await client.delete("/v1/deployments/lively", headers=headers)).status_code == 403
    assert (await client.put("/v1/deployments/lively", content=b"x" * (archive.PACKED + 1))).status_code == 413
    assert stage.table.rows() == {}
