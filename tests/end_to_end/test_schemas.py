"""A change of a schema is held against what the running workers and the running service read, as they have told."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from benchmarks.prove_loop.stage import Stage
from millrace.cli import app
from millrace.reading import readers_of
from tests.waiting import until


def test_who_would_break_is_known_from_what_runs(
    running_movies: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = running_movies.settings
    monkeypatch.setenv("MILLRACE_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("MILLRACE_REGISTRY_URL", settings.registry_url)
    schema = dict(running_movies.product.event_types["ratings"].schema)
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "stars"]
    (tmp_path / "ratings.avsc").write_text(json.dumps(schema))

    def told() -> bool:
        rows = httpx.get(f"{settings.registry_url}/readers").json()
        return any(item.get("storages") for item in rows.get("service/movies", {}).get("endpoints", ()))

    until(told)
    done = CliRunner().invoke(app, ["schemas", "check", str(tmp_path), "--output", "json"])
    [verdict] = json.loads(done.stdout)
    found = {item["learner"]: item for item in verdict["breaks"]}
    assert (done.exit_code, verdict["earlier"]) == (1, [])
    assert set(found) == {
        reader.learner for reader in readers_of(running_movies.product, settings) if reader.topic == "ratings"
    }
    assert {item["field"] for item in found.values()} == {"stars"}
    assert found["popular"]["storages"] == ["redis/ranking/popular"]
    assert "popular_now" in found["popular"]["endpoints"]["recommend"]

    answer = httpx.post(f"{settings.registry_url}/subjects/ratings-value/versions", json={"schema": json.dumps(schema)})
    assert answer.status_code == 409
    assert "popular@" in answer.json()["message"]
    document = httpx.get(f"{settings.service_url}/asyncapi.json").raise_for_status().json()
    assert {"ratings", "items", "decisions"} <= {item["address"] for item in document["channels"].values()}
