"""`millrace skew` over a real Kafka: a learner that folds otherwise than training's code is found, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from learners import Replay
from millrace.cli import app
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from schemas import Decision, DecisionId
from serving.features import as_json, taken
from storage import Catalogue, MemoryReads

EVENTS = """
from datetime import datetime
import millrace as mr

class View(mr.Event, topic="{topic}", key="user"):
    user: str
    item: str
    at: datetime
"""
LEARNERS = """
import polars as pl
import millrace as mr
from .events import View

class Counting(mr.FrameLearner):
    version = 1
    views = mr.stream("{topic}")
    seen = mr.Counters("seen_{topic}")

    def learn(self, batch: mr.Batch) -> None:
        frame = batch.frame.with_columns(pl.lit("views").alias("field"), ({fold}).alias("value"))
        self.seen.add(frame, key="user", field="field", amount="value")
"""
ENDPOINTS = """
import msgspec
import millrace as mr
from typing import Annotated

class Ask(msgspec.Struct):
    user: str

class Score(msgspec.Struct):
    score: float

score = mr.EndpointType("score_{topic}", Ask, Score, unit="user")

@score.implementation
async def by_views(request: Ask, seen: Annotated[mr.CountersReader, "seen_{topic}"]) -> Score:
    views = (await seen.get(request.user)).get("views", 0)
    mr.log_features(views=views, long_name=len(request.user) > 2)
    return Score(float(views))
"""
TRAINING = """
import polars as pl
import millrace as mr

def features(asked: pl.DataFrame) -> pl.DataFrame:
    views = mr.scan("{topic}").select("user", "_timestamp").collect()
    until = asked.join(views, on="user", how="left").filter(pl.col("_timestamp") <= pl.col("at"))
    counts = until.group_by("id").agg(pl.len().cast(pl.Int64).alias("views"))
    return asked.join(counts, on="id", how="left").select(
        "id", pl.col("views").fill_null(0), (pl.col("user").str.len_chars() > 2).alias("long_name")
    )
"""
USERS = ("ann", "bo", "cy")


@pytest.fixture
def platform(kafka: str, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    for name, value in {"KAFKA": kafka, "REGISTRY_URL": registry_url, "ARCHIVE_URL": str(tmp_path / "a")}.items():
        monkeypatch.setenv(f"MILLRACE_{name}", value)
    with closing(Platform(Settings.load())) as platform:
        yield platform


class Team:
    """A product, whose learner folds each view as `fold`, and what its service has answered."""

    def __init__(self, folder: Path, topic: str) -> None:
        self.folder, self.topic, self.endpoint = folder / topic, topic, f"score_{topic}"
        self.folder.mkdir()
        for name, text in {"events": EVENTS, "endpoints": ENDPOINTS, "training": TRAINING}.items():
            (self.folder / f"{name}.py").write_text(text.format(topic=topic))
        self.fold("pl.lit(1)")

    def fold(self, value: str) -> None:
        (self.folder / "learners.py").write_text(LEARNERS.format(topic=self.topic, fold=value))

    def serve(self, platform: Platform, rounds: int) -> None:
        """Views, each followed by an answer to its user from what was learned of them."""
        product = Product.load(self.folder)
        platform.prepare(product)
        view = product.event_types[self.topic].python
        assert view is not None
        asyncio.run(self._answered(platform, product, view, rounds))
        platform.producer.flush()

    async def _answered(self, platform: Platform, product: Product, view: Callable[..., Any], rounds: int) -> None:
        live = Replay(product.learners, product.event_types, 4)
        catalogue = Catalogue({"memory": MemoryReads(live.memory)})
        await catalogue.refresh()
        (endpoint,) = product.endpoints
        implementation = endpoint.implementations["by_views"]
        ask = implementation.bind(catalogue)
        for number in range(rounds):
            user = USERS[number % len(USERS)]
            event = view(user=user, item="i", at=datetime.now(UTC))
            platform.producer.emit(event)
            live.fold(self.topic, [event])
            by = endpoint.title, implementation.name, implementation.hash
            id, request = DecisionId.new(), json.dumps({"user": user})
            answer = await ask(endpoint.requests.decode(request.encode()))
            used = as_json(taken() or {}, endpoint.title)
            said = endpoint.responses.encode(answer).decode()
            made = Decision(id.text, *by, None, None, user, 1.0, request, said, None, 1.0, id.at, features=used)
            platform.producer.emit(made)
            while datetime.now(UTC).timestamp() * 1000 < id.at_ms + 1:
                time.sleep(0)  # the next view is of a later millisecond

    def skew(self, *options: str) -> Result:
        command = [
            "skew",
            str(self.folder),
            "--endpoint",
            self.endpoint,
            "--settle",
            "1ms",
            "--output",
            "json",
            *options,
        ]
        return CliRunner().invoke(app, command)


def features(done: Result) -> dict[str, Any]:
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return {item["feature"]: item for item in json.loads(done.stdout)["features"]}


def test_what_was_served_is_what_the_archive_says_until_the_fold_is_another(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Team(tmp_path, "views_same")
    team.serve(platform, 30)
    done = team.skew()
    assert (done.exit_code, json.loads(done.stdout)["decisions"]) == (0, 30), done.output
    assert {name: item["equal"] for name, item in features(done).items()} == {"views": 1.0, "long_name": 1.0}

    team.fold('pl.when(pl.col("user") == "bo").then(2).otherwise(1)')
    monkeypatch.setenv("MILLRACE_JOB_MESSAGES", str(tmp_path / "messages"))
    done = team.skew("--plot", str(tmp_path / "skew.png"))
    found = features(done)
    assert done.exit_code == 1
    assert round(30 * found["views"]["equal"]) in (20, 21, 22)  # bo's first two may be of the decisions' milliseconds
    worst = found["views"]["worst"][0]
    assert worst["archive"] - 2 * worst["served"] in (0, -2)  # its last view may be of the decision's millisecond
    assert not found["long_name"]["skewed"]
    assert (tmp_path / "skew.png").read_bytes().startswith(b"\x89PNG")
    figures, why = map(json.loads, (tmp_path / "messages").read_text().splitlines())
    assert figures["params"]["metadata"]["equal long_name"]["raw_value"] == 1.0
    assert (why["method"], why["params"]["level"]) == ("log", "ERROR")
    assert "score_views_same.views is skewed" in why["params"]["message"]
    assert team.skew("--tolerance", "0.5").exit_code == 0


def test_a_learner_that_folds_otherwise_than_trainings_code_is_found(platform: Platform, tmp_path: Path) -> None:
    for topic, fold, code in (("views_right", "pl.lit(1)", 0), ("views_wrong", "pl.lit(2)", 1)):
        team = Team(tmp_path, topic)
        team.fold(fold)
        (team.folder / "product.toml").write_text(f'[skew.{team.endpoint}]\nfeatures = "training:features"\n')
        team.serve(platform, 30)
        done = team.skew()
        found = features(done)
        assert done.exit_code == code, done.output
        assert {name: item["skewed"] for name, item in found.items()} == {"views": bool(code), "long_name": False}


@pytest.mark.slow
def test_as_a_job_it_fails_and_says_which_feature_is_skewed(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    team = Team(tmp_path, "views_job")
    team.serve(platform, 30)
    team.fold("pl.lit(2)")
    command = f'millrace skew "$MILLRACE_JOB_PRODUCT" --endpoint {team.endpoint} --settle 1ms'
    (team.folder / "jobs.toml").write_text(f"[jobs.skew]\ncommand = {json.dumps(['sh', '-c', command])}\n")

    done = CliRunner().invoke(app, ["jobs", "run", "views_job", "skew", "--output", "json"], catch_exceptions=False)

    assert done.exit_code == 1
    why = json.loads(done.stdout)["why"]
    assert re.search(r"its log says more. score_views_job.views is skewed: [0-9.]+ % of 30 decisions", why)


def test_where_nothing_is_logged_it_is_said_how_to(platform: Platform, tmp_path: Path) -> None:
    team = Team(tmp_path, "views_none")
    platform.prepare(Product.load(team.folder))
    done = team.skew()
    assert "Its implementations log them by `mr.log_features(clicks=3)`" in str(done.exception)
