"""A product that is sent to a running service and its workers: answered, learned, changed, refused, taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from typer.testing import CliRunner, Result

from benchmarks.process import millrace_process, wait_until_ready
from millrace.cli import app
from millrace.settings import Settings
from tests.conftest import free_ports
from tests.millrace.deployments import product_folder
from tests.millrace.deployments.tiny_wheel import wheel
from tests.waiting import until

PATIENCE = 120.0


@dataclass
class Running:
    """A service and a supervisor of workers that were started with no product, and a product in a folder."""

    settings: Settings
    product: Path
    learn: psutil.Process
    http: httpx.Client

    def command(self, *arguments: str) -> Result:
        """A command of `millrace`, in this process: a new one takes seconds on a busy machine."""
        return CliRunner().invoke(app, [*arguments, "--to", self.settings.service_url])

    def tap(self, *items: str) -> None:
        lines = "\n".join(f'{{"user": "u", "item": "{item}"}}' for item in items)
        sent = self.http.post("/events/lively_taps", content=lines, headers={"content-type": "application/x-ndjson"})
        assert sent.status_code == 202, sent.text

    def answer(self) -> dict[str, Any]:
        found = self.http.post("/v1/lively", json={"user": "u"})
        return {"status": found.status_code, **(found.json() if found.status_code == 200 else {})}

    def workers(self) -> list[str]:
        """The folders of the products whose workers run."""
        found = []
        for child in self.learn.children():
            with suppress(psutil.Error):  # it has ended meanwhile
                found += child.cmdline()[4:5]  # one that has just been forked, or ends, has no command of its own
        return found

    def standing(self) -> dict[str, Any]:
        return self.http.get("/v1/deployments/lively").json()  # type: ignore[no-any-return]


@pytest.fixture
def running(
    kafka: str, registry_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    settings = replace(
        Settings(),
        kafka=kafka,
        registry_url=registry_url,
        redis_url=redis_url,
        relational_url=f"sqlite:///{tmp_path}/relational.db",
        service_port=free_ports(1)[0],
        state_dir=tmp_path / "state",
        deployments=True,
    )
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # as the command itself sets it for its process
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    with ExitStack() as started:
        learn = started.enter_context(millrace_process(tmp_path, settings, "learn"))
        service = started.enter_context(millrace_process(tmp_path, settings, "serve"))
        wait_until_ready(service, settings)
        http = started.enter_context(httpx.Client(base_url=settings.service_url, timeout=PATIENCE, trust_env=False))
        yield Running(settings, product_folder.write(tmp_path, "lively"), psutil.Process(learn.pid), http)


@pytest.mark.timeout(360)  # six processes start one after the other, on a machine that may be busy
def test_a_product_is_live_within_a_minute_and_changed_and_taken_back(running: Running) -> None:
    # Given a product that needs a package of its own, to learn and to answer
    product, wheels = running.product, running.product.parent / "wheels"
    (product / "requirements.lock").write_text(wheel(wheels, "1.0"))
    for file in ("learners.py", "endpoints.py"):
        product_folder.replace(product, file, "import millrace", "import tiny_millrace_test\n\nimport millrace")
    product_folder.replace(product, "endpoints.py", '"first"', '"first " + tiny_millrace_test.VERSION')

    # When it is deployed, its endpoint type answers from what its learner learned
    began = time.monotonic()
    done = running.command("deploy", str(product), "--note", "the first")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "is live after" in done.output
    running.tap("a", "b", "b")
    until(lambda: running.answer().get("items") == ["b", "a"], PATIENCE)
    print(f"From deploy to the first learned answer: {time.monotonic() - began:.1f} s")
    assert running.answer()["by"] == "first 1.0"
    assert (running.standing()["state"], running.standing()["storages_missing"]) == ("live", [])

    # When it is changed, the workers that learn are those of the new version, and nothing is forgotten
    (product / "requirements.lock").write_text(wheel(wheels, "2.0"))
    product_folder.replace(product, "endpoints.py", '"first "', '"second "')
    assert running.command("deploy", str(product), "--no-wait").exit_code == 0
    assert running.answer() == {"status": 200, "items": ["b", "a"], "by": "second 2.0"}
    second = running.standing()["hash"]
    until(lambda: [second[:16] in folder for folder in running.workers()] == [True], PATIENCE)
    running.tap("c", "c", "c")
    until(lambda: running.answer()["items"] == ["c", "b", "a"], PATIENCE)

    # When it is undeployed, nobody answers it or learns it any more, and what was learned stays
    gone = running.command("undeploy", "lively")
    assert f"millrace deploy lively --again {second[:12]}" in gone.output
    assert running.answer()["status"] == 404
    until(lambda: running.workers() == [], PATIENCE)
    storages = [item["storage"] for item in running.http.get("/storages").json()["storages"]]
    assert "redis/ranking/lively_popular@1" in storages
    history = json.loads(running.command("deployments", "lively", "--output", "json").output)
    assert [(item["what"], item["note"]) for item in history] == [
        ("deploy", "the first"),
        ("deploy", None),
        ("undeploy", None),
    ]
