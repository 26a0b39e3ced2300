"""`millrace serve`: answers though Kafka, registry and Redis are away, and ends in time when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from millrace import service
from millrace.settings import Settings
from schemas.errors import MillraceError
from tests.millrace.served import FIXED, ROOT, Served, served

CLICKS = """
from datetime import datetime
import millrace as mr

class Click(mr.Event, topic="clicks", key="user"):
    user: str
    decision: str
    at: datetime
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with nothing else running."""
    with served(tmp_path_factory.mktemp("alone"), FIXED) as service:
        yield service


def test_it_needs_no_other_part_in_order_to_answer(alone: Served) -> None:
    assert alone.ask().json() == {"items": ["fixed"]}
    assert alone.get("/healthz").status_code == 200
    assert alone.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ('topic = "buys"', "Goal bought counts events of topic 'buys', which is not among clicks"),
        ('topic = "clicks"\ndecision = "decison"', "finds its decision in the field 'decison', which clicks lacks"),
    ],
)
def test_a_goal_that_cannot_be_counted_is_refused_as_by_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: str, message: str
) -> None:
    def started(*_: object) -> None:
        raise AssertionError("it starts")

    folder = tmp_path / "product"
    folder.mkdir()
    (folder / "events.py").write_text(CLICKS)
    (folder / "product.toml").write_text(f"[goals.bought]\n{goal}\n")
    monkeypatch.setattr(service, "say_on_stderr", lambda: None)
    monkeypatch.setattr(service, "access_of", started)
    with pytest.raises(MillraceError, match=message):
        service.run_service(folder, Settings())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_within_five_seconds_whatever_it_waits_for(tmp_path: Path, number: signal.Signals) -> None:
    """A decision waits for Kafka, and a console's stream is open: neither keeps it."""
    with served(tmp_path, FIXED, MILLRACE_LEAVING_MS="0") as service:
        service.ask()
        with httpx.stream("GET", f"{service.url}/console/flow/live", timeout=10.0) as stream:
            next(stream.iter_raw())
            began = time.monotonic()
            service.process.send_signal(number)
            service.process.wait(15)
    assert time.monotonic() - began < 5


def test_endpoints_check_compares_a_product_with_what_is_asked_today(alone: Served, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()

    def check(text: str, *options: str) -> tuple[int, str]:
        (folder / "endpoints.py").write_text(text)
        command = [sys.executable, "-m", "millrace", "endpoints", "check", str(folder), "--against", alone.url]
        done = subprocess.run(
            [*command, *options], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        return done.returncode, done.stdout

    assert check(FIXED) == (0, "ask: compatible\n")
    assert check(FIXED.replace("user: str", "user: str\n    size: int = 10")) == (0, "ask: compatible\n")
    broken = FIXED.replace("user: str", "user: str\n    size: int").replace("list[str]", "list[int]")
    assert check(broken) == (
        1,
        "ask: would break\n"
        "  `size` of the request must be given now\n"
        "  `items[]` of the answer was string and may be integer now\n",
    )
    second = broken.replace('unit="user"', 'unit="user", version=2')
    assert check(second) == (1, "ask@2: new\nask: would be gone; if nobody asks it: --retire ask\n")
    assert check(second, "--retire", "ask") == (0, "ask@2: new\nask: would be gone\n")
