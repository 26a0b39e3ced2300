"""Somebody is erased while workers fold: gone everywhere, and nothing of anybody else is lost or counted twice."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from benchmarks.prove_loop.stage import Stage
from millrace.cli import app
from millrace.erasure.erasure import Erasure
from millrace.erasure.report import Report
from millrace.settings import Settings
from storage import Descriptor
from storage.address import Address


def rated(running: Stage, user: str, item: str) -> None:
    event = {"user": user, "item": item, "stars": 5, "at": datetime.now(UTC)}
    running.platform.producer.send(running.product.event_types["ratings"], event)


def rows(running: Stage, name: str) -> dict[Address, Any]:
    found: list[Descriptor] = running.platform.technologies["redis"].storages()
    return dict(running.platform.technologies["redis"].dump(next(one for one in found if one.storage == name)))


def level(running: Stage) -> None:
    running.platform.producer.flush()
    assert running.meter.wait_until_level(60.0).events == 0


class Late(Erasure):
    """Its look finds no storage, as where a rebuild fills a version only after it."""

    def look(self) -> Report:
        self.report.places = [place for place in super().look().places if place.kind != "storage"]
        return self.report


def test_who_is_erased_is_gone_and_a_running_worker_goes_on_from_there(
    running_movies: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running, ann, bob = running_movies, f"ann {uuid4().hex}", f"bob {uuid4().hex}"
    for number in range(20):
        rated(running, ann, f"film {number}")
    level(running)
    stop, sent = threading.Event(), count()

    def others_rate() -> None:
        while not stop.wait(0.002):
            rated(running, bob, f"film {next(sent)}")

    thread = threading.Thread(target=others_rate)
    thread.start()
    try:
        seen = Erasure(running.platform, ann).look()
        report = Late(running.platform, ann).erase(patience=30)
    finally:
        stop.set()
        thread.join()
    found = {place.place: (place.rows, place.items) for place in seen.places if place.kind == "storage"}
    assert found == {"redis/records/viewer_history@1": (1, 0), "redis/ranking/active_viewers@1": (0, 1)}
    assert report.complete, report
    assert {place.left for place in report.places if place.kind == "storage"} == {0}
    assert "until" in next(place.remains for place in report.places if place.place == "ratings")
    assert ann not in str([rows(running, name) for name in ("records/viewer_history", "ranking/active_viewers")])

    monkeypatch.setattr(Settings, "load", lambda: running.settings)
    asked = ["erase", "--subject", ann, "--yes", "--report", str(tmp_path / "report.json")]
    assert CliRunner().invoke(app, asked, catch_exceptions=False).exit_code == 0
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["complete"], told["problems"]) == (True, [])
    assert not [place for place in told["places"] if place["rows"]]

    rated(running, ann, "another film")
    level(running)
    history = rows(running, "records/viewer_history")
    assert b"another film" in history[Address("records/viewer_history", ann)]
    assert b"film 7" not in history[Address("records/viewer_history", ann)]
    active = rows(running, "ranking/active_viewers")[Address("ranking/active_viewers", "all")]
    assert (active[ann], active[bob]) == (1, next(sent))
