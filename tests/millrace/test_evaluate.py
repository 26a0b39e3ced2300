"""`millrace evaluate` on real decisions and rewards in Kafka."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from millrace.commands.output import Output
from millrace.evaluate import NothingLogged, Wanted, run_evaluation
from millrace.platform import Platform
from millrace.product import Product, ProductError
from millrace.settings import Settings
from schemas import DecisionId
from schemas.decision_id import numbered
from tests.decisions import decided

TOML = """
[goals.bought]
topic = "TOPIC"
window = "10m"
first = true

[experiments.shelf]
endpoint = "offer"
goal = "bought"
split = { drama = 50, comedy = 50 }
"""
EVENTS = """
from datetime import datetime

import millrace as mr


class Purchase(mr.Event, topic="TOPIC", key="user"):
    user: str
    at: datetime
    decision: str | None = None
"""
ENDPOINTS = """
import msgspec

import millrace as mr


class Ask(msgspec.Struct):
    user: str
    page: int


class Offer(msgspec.Struct):
    items: list[str]


offer = mr.EndpointType("offer", Ask, Offer, unit="user")


@offer.implementation
def drama(request: Ask) -> Offer:
    return Offer(["drama"])


@offer.implementation
def comedy(request: Ask) -> Offer:
    return Offer(["comedy"])


@offer.implementation
def by_page(request: Ask) -> Offer:
    return Offer(["comedy" if request.page % 2 else "drama"])


@offer.implementation
def western(request: Ask) -> Offer:
    return Offer(["western"])
"""


@pytest.fixture(scope="module")
def settings(kafka: str, registry_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    database = f"sqlite:///{tmp_path_factory.mktemp('state')}/state.db"
    return Settings(kafka=kafka, registry_url=registry_url, redis_url="", relational_url=database)


@pytest.fixture(scope="module")
def folder(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product with decisions of 600 units in the log, of which comedies were bought half of the time and dramas
    a tenth of it."""
    folder = tmp_path_factory.mktemp("product") / "offers"
    folder.mkdir()
    topic = f"purchases-{uuid.uuid4().hex[:12]}"
    for name, text in (("product.toml", TOML), ("events.py", EVENTS), ("endpoints.py", ENDPOINTS)):
        (folder / name).write_text(text.replace("TOPIC", topic), "utf-8")
    product = Product.load(folder)
    with closing(Platform(settings)) as platform:
        platform.prepare(product)
        _log(platform, product, topic)
    return folder


def _log(platform: Platform, product: Product, topic: str) -> None:
    chance, at = random.Random(4), datetime.now(UTC) - timedelta(hours=1)
    for number in range(1_200):
        unit, page = f"{topic}/{number // 2}", number % 3
        variant = "comedy" if (number // 2) % 2 else "drama"
        made = logged_at(at, variant, number)
        request, answer = json.dumps({"user": unit, "page": page}), json.dumps({"items": [variant]})
        given = {"endpoint": "offer", "request": request, "answer": answer}
        platform.producer.emit(decided(made.text, unit, variant, at, **given))
        if chance.random() < (0.5 if variant == "comedy" else 0.1):
            row = {"user": unit, "at": at + timedelta(minutes=1), "decision": made.text}
            platform.producer.send(product.event_types[topic], row)
    platform.producer.flush()


def logged_at(at: datetime, variant: str, number: int = 0) -> DecisionId:
    """A decision's id of that time."""
    return DecisionId(numbered(round(at.timestamp() * 1000), number), "shelf", variant)


def copied(folder: Path, to: Path, changes: Mapping[str, str]) -> Path:
    """The product in another folder, with other words in its files."""
    to.mkdir()
    for file in (*folder.glob("*.py"), folder / "product.toml"):
        text = file.read_text("utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        (to / file.name).write_text(text, "utf-8")
    return to


def wanted(implementation: str, endpoint: str = "offer") -> Wanted:
    return Wanted(endpoint, implementation, None, "items.0", timedelta(days=1), 10_000)


def test_an_implementation_that_was_never_live_is_estimated_from_what_was(
    folder: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_evaluation(folder, settings, wanted("by_page"), Output.JSON)

    found = json.loads(capsys.readouterr().out)
    estimates = {row["by"]: row for row in found["estimates"] if row["who"] == "by_page"}
    assert set(estimates) == {"ips", "snips", "dr"}
    for row in estimates.values():  # a third of the requests gets comedies
        assert row["low"] <= (0.5 + 2 * 0.1) / 3 <= row["high"]
        assert row["high"] - row["low"] < 0.2
    assert (found["goal"], found["failed"], found["support"]["supported"]) == ("bought", 0, True)
    assert found["support"]["decisions"] >= 1_200


def test_what_nobody_was_ever_given_cannot_be_told(
    folder: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not run_evaluation(folder, settings, wanted("western"), Output.TABLE)

    shown = capsys.readouterr().out
    assert "was never answered by what is logged" in shown
    assert shown.count("western") >= 3
    assert all("—" in line for line in shown.splitlines() if line.startswith("western "))


def test_what_is_not_there_is_told(folder: Path, settings: Settings) -> None:
    with pytest.raises(ProductError, match="it has drama, comedy, by_page, western"):
        run_evaluation(folder, settings, wanted("horror"), Output.TABLE)
    with pytest.raises(ProductError, match="no endpoint type 'offers'"):
        run_evaluation(folder, settings, wanted("drama", "offers"), Output.TABLE)


def test_without_decisions_of_an_experiment_it_says_what_to_do(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    asked = copied(folder, tmp_path / "unasked", {'"offer"': '"unasked"'})

    with pytest.raises(NothingLogged, match="No decision of unasked was made in an experiment"):
        run_evaluation(asked, settings, wanted("drama", "unasked"), Output.TABLE)


def test_decisions_whose_window_is_open_are_told_with_the_window_and_when_it_ends(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    patient = copied(folder, tmp_path / "patient", {'"offer"': '"young"', 'window = "10m"': 'window = "7d"'})
    unit, at = f"young/{uuid.uuid4().hex}", datetime.now(UTC) - timedelta(hours=2)
    made = logged_at(at, "drama")
    with closing(Platform(settings)) as platform:
        platform.producer.emit(decided(made.text, unit, "drama", at, endpoint="young"))
        platform.producer.flush()

    with pytest.raises(NothingLogged, match=r"Every decision of young .* goal bought, 7 d: it may still be") as told:
        run_evaluation(patient, settings, wanted("drama", "young"), Output.TABLE)
    assert f"{at + timedelta(days=7):%d %b at %H:%M:%S} UTC" in str(told.value)
