"""`millrace schemas` over a real Kafka and registry: a change is refused with everybody whom it would break."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from learners import LearnerRefused
from millrace.cli import app
from millrace.deployments.errors import DeploymentConflict
from millrace.deployments.report import report_of
from millrace.deployments.taking import _prepare
from millrace.platform import Platform
from millrace.product import Product
from millrace.reading import forget_readers, tell_readers
from millrace.settings import Settings
from schemas.readers import Reading
from tests.millrace.deployments import product_folder


class Stage:
    """A platform, a product whose learner and endpoint are told of, and the folder of an engineer who keeps schemas."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform, self.name = platform, "p" + "".join(random.choices("abcdefghij", k=8))
        self.topic, self.events = f"{self.name}_taps", folder / "events"
        self.folder = product_folder.write(folder / "products", self.name)
        self.events.mkdir()
        self.learn()
        platform.readers.serve(self.name, [Reading(self.name, "popular", (f"redis/ranking/{self.name}_popular",))])

    @property
    def product(self) -> Product:
        return Product.load(self.folder)

    def learn(self) -> None:
        """What a worker does first."""
        tell_readers(self.product, self.platform, counting=True)
        self.platform.prepare(self.product)

    def change(self, **fields: Any) -> dict[str, Any]:
        """Write a schema with these fields and their defaults; None = without one."""
        written = [
            {"name": name, "type": "string"} | ({} if default is None else {"default": default})
            for name, default in fields.items()
        ]
        schema = {"type": "record", "name": "Tap", "fields": written, "millrace.topic": self.topic}
        (self.events / "tap.avsc").write_text(json.dumps(schema))
        return schema

    def ran(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["schemas", *arguments])

    def versions(self) -> int:
        return len(self.platform.registry.versions(f"{self.topic}-value"))


@pytest.fixture(scope="module")
def platform(kafka: str, registry_url: str) -> Iterator[Platform]:
    with closing(Platform(replace(Settings(), kafka=kafka, registry_url=registry_url))) as platform:
        yield platform


@pytest.fixture
def stage(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    monkeypatch.setenv("MILLRACE_KAFKA", platform.settings.kafka)
    monkeypatch.setenv("MILLRACE_REGISTRY_URL", platform.settings.registry_url)
    return Stage(platform, tmp_path)


def test_a_check_names_learner_storage_and_endpoint_and_needs_nothing_but_the_registrys_address(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_KAFKA", "127.0.0.1:1")
    stage.change(user=None, shop="")  # compatible with the version before, as its level asks
    done = stage.ran("check", str(stage.events))
    assert (done.exit_code, done.stdout.splitlines()) == (
        1,
        [
            f"{stage.topic}-value: would break",
            f"  {stage.topic}.item is not written and has no default; that could not be read any more by",
            f"    learner {stage.name}_popular@1 of {stage.name}; storages: redis/ranking/{stage.name}_popular; "
            f"endpoints: {stage.name} (popular)",
            "  note: nobody reads shop",
        ],
    )
    done = stage.ran("check", str(stage.events), "--output", "json")
    [verdict] = json.loads(done.stdout)
    [found] = verdict["breaks"]
    assert (done.exit_code, verdict["compatible"], verdict["earlier"]) == (1, False, [])
    assert (found["field"], found["learner"], found["version"]) == ("item", f"{stage.name}_popular", 1)
    assert (found["storages"], found["endpoints"]) == (
        [f"redis/ranking/{stage.name}_popular"],
        {stage.name: ["popular"]},
    )
    stage.change(user=None, item=None, shop="")
    done = stage.ran("check", str(stage.events))
    assert (done.exit_code, done.stdout) == (0, f"{stage.topic}-value: compatible\n  note: nobody reads shop\n")


def test_a_learner_that_reads_the_topic_by_another_key_is_one_of_its_readers(stage: Stage) -> None:
    product_folder.replace(
        stage.folder,
        "learners.py",
        "    popular = mr",
        f'    taps = mr.stream("{stage.topic}", key="item")\n    popular = mr',
    )
    stage.learn()
    stage.change(user=None)
    done = stage.ran("check", str(stage.events), "--output", "json")
    [verdict] = json.loads(done.stdout)
    [found] = verdict["breaks"]
    assert (found["field"], found["learner"], found["version"]) == ("item", f"{stage.name}_popular", 1)
    assert found["endpoints"] == {stage.name: ["popular"]}


def test_nothing_is_registered_that_a_learner_cannot_read_unless_it_is_forced(stage: Stage) -> None:
    stage.change(user=None)
    done = stage.ran("register", str(stage.events))
    assert (done.exit_code, stage.versions()) == (1, 1)
    assert f"learner {stage.name}_popular@1 of {stage.name}" in done.stdout
    assert "Nothing was registered" in done.stderr
    assert "--force" in done.stderr
    done = stage.ran("register", str(stage.events), "--force")
    assert (done.exit_code, stage.versions()) == (0, 2)
    assert f"learner {stage.name}_popular@1 of {stage.name}" in done.stdout
    stage.change(user=None, other=None)
    done = stage.ran("register", str(stage.events), "--force")
    assert done.exit_code == 1
    assert "the subject's level refuses it, and --force does not change that." in done.stderr
    stage.change(user=None)
    assert stage.ran("register", str(stage.events)).exit_code == 1, "it is registered, and breaks them all the same"


def test_a_stock_serializer_is_refused_by_the_registry_itself_and_hears_whom_it_would_break(stage: Stage) -> None:
    place = f"{stage.platform.settings.registry_url}/subjects/{stage.topic}-value"
    schema = stage.change(user=None)
    answer = httpx.post(f"{place}/versions", json={"schema": json.dumps(schema)})
    assert (answer.status_code, answer.json()["error_code"]) == (409, 409)
    assert f"{stage.name}_popular@1 of {stage.name} could not read on" in answer.json()["message"]
    httpx.put(place.replace("subjects", "config"), json={"compatibility": "NONE"}).raise_for_status()
    assert stage.ran("check", str(stage.events)).exit_code == 1, "the level says nothing of who reads"
    assert httpx.post(f"{place}/versions", json={"schema": json.dumps(schema)}).status_code == 200


def test_a_product_may_change_what_it_reads_and_another_one_keeps_the_topic_as_it_needs_it(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    product_folder.replace(stage.folder, "events.py", "    item: str\n", "    more: str = ''\n")
    product_folder.replace(stage.folder, "learners.py", "event.item", "event.more")
    stage.platform.prepare(stage.product)
    assert stage.versions() == 1, "its workers still read the item"
    assert "cannot be written as they are declared here" in caplog.text
    stage.learn()
    assert stage.versions() == 2
    other = product_folder.write(tmp_path / "more", f"{stage.name}x")
    product_folder.replace(other, "events.py", f"{stage.name}x_taps", stage.topic)
    product_folder.replace(other, "events.py", "    item: str\n", "")
    product_folder.replace(other, "learners.py", "event.item", "event.user")
    tell_readers(Product.load(other), stage.platform, counting=True)
    stage.platform.prepare(Product.load(other))
    assert stage.ran("readers", "--output", "json").stdout.count(stage.topic) == 2
    forget_readers(stage.platform, f"{stage.name}x")
    assert stage.ran("readers", "--output", "json").stdout.count(stage.topic) == 1


def test_a_deployment_may_change_what_its_own_learners_read_and_breaks_no_others(stage: Stage, tmp_path: Path) -> None:
    product_folder.replace(stage.folder, "events.py", "    item: str\n", "    more: str = ''\n")
    product_folder.replace(stage.folder, "learners.py", "event.item", "event.more")
    _prepare(stage.platform, report_of(stage.product, stage.platform.settings))
    assert stage.versions() == 2
    other = product_folder.write(tmp_path / "more", f"{stage.name}x")
    product_folder.replace(other, "events.py", f"{stage.name}x_taps", stage.topic)
    product_folder.replace(other, "events.py", "    item: str\n", "")
    product_folder.replace(other, "events.py", "user: str", "user: int = 0")
    product_folder.replace(other, "learners.py", "event.item", "'a'")
    with pytest.raises(DeploymentConflict, match=f"{stage.name}_popular@1 of {stage.name} could not read on"):
        _prepare(stage.platform, report_of(Product.load(other), stage.platform.settings))
    assert stage.versions() == 2


def test_a_worker_that_is_started_again_asks_the_registry_alone(stage: Stage) -> None:
    with closing(Platform(replace(stage.platform.settings, kafka="127.0.0.1:1"))) as again:
        tell_readers(stage.product, again, counting=True)


def test_who_is_gone_is_forgotten_and_breaks_no_more(stage: Stage) -> None:
    stage.change(user=None)
    done = stage.ran("forget", "product/nobody")
    assert done.exit_code == 1
    assert stage.ran("forget", f"product/{stage.name}").exit_code == 0
    assert stage.ran("check", str(stage.events)).stdout == (
        f"{stage.topic}-value: compatible\n  note: no learner is known that reads {stage.topic}\n"
    )


def test_the_asyncapi_document_has_the_topic_and_its_learner(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "asyncapi.json"
    assert stage.ran("asyncapi", "--out", str(file)).exit_code == 0
    document = json.loads(file.read_text())
    assert document["operations"][f"receive_{stage.name}_{stage.name}_popular_1"]["channel"] == {
        "$ref": f"#/channels/{stage.topic}"
    }
    assert document["servers"]["kafka"]["host"] == stage.platform.settings.kafka
    assert json.loads(stage.ran("asyncapi").stdout) == document


def test_a_learner_that_cannot_run_is_said_before_anything_is_told(stage: Stage) -> None:
    before = stage.platform.readers.documents()
    product_folder.replace(stage.folder, "learners.py", "popular = mr.Ranking(", "popular = (")
    with pytest.raises(LearnerRefused):
        stage.learn()
    assert stage.platform.readers.documents() == before
