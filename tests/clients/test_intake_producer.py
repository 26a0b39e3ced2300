"""Events through a models service: what is posted, again and under which key, and what a producer says of failures."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import millrace_client as mr
import pytest
from millrace_client import intake

from tests.conftest import free_ports

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Click(mr.Event, topic="clicks", key="user"):
    """A user clicked on an item."""

    user: str
    at: datetime = NOON
    mark: bytes = b""


class Other(mr.Event, topic="others"):
    """Something else."""

    name: str


Post = tuple[str, str, list[Any]]
Turn = Callable[[list[Any]], tuple[int, dict[str, Any]]]


def taken(lines: list[Any]) -> tuple[int, dict[str, Any]]:
    return 202, {"positions": []}


def busy(lines: list[Any]) -> tuple[int, dict[str, Any]]:
    return 503, {"detail": "Kafka may not have these events."}


def without_mallory(lines: list[Any]) -> tuple[int, dict[str, Any]]:
    wrong = [{"line": place, "detail": "no"} for place, line in enumerate(lines, 1) if line["user"] == "mallory"]
    return (400, {"detail": "mallory is no user", "errors": wrong, "wrong": len(wrong)}) if wrong else taken(lines)


@contextmanager
def service(*turns: Turn, port: int = 0) -> Iterator[tuple[str, list[Post]]]:
    """A models service's intake that gives each post its turn, the last one to all that follow."""
    posts: list[Post] = []

    class Intake(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            lines = [json.loads(line) for line in body.splitlines()]
            posts.append((self.path, self.headers["idempotency-key"], lines))
            status, document = turns[min(len(posts), len(turns)) - 1](lines)
            answer = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Intake)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PAUSE", 0.01)


def test_events_arrive_in_their_order_topic_by_topic() -> None:
    with service(taken) as (address, posts), mr.Producer(service=address) as events:
        for number in range(1200):
            events.emit(Click(f"u{number}"))
        events.emit(Other("last"))
        events.flush()
        assert [line["user"] for path, _, lines in posts if path == "/events/clicks" for line in lines] == [
            f"u{number}" for number in range(1200)
        ]
        assert posts[-1][0::2] == ("/events/others", [{"name": "last"}])


def test_a_post_is_lines_of_json_as_the_intake_takes_them() -> None:
    with service(taken) as (address, posts), mr.Producer(service=address) as events:
        events.emit(Click("u1", NOON, b"\x00\xff"))
        events.flush()
        assert posts[0][2] == [{"user": "u1", "at": "2026-11-24T12:00:00Z", "mark": "\x00\xff"}]


def test_what_was_not_acknowledged_is_posted_again_under_the_same_key() -> None:
    with service(busy, busy, taken) as (address, posts):
        with mr.Producer(service=address) as events:
            events.emit(Click("u1"))
        assert len(posts) == 3
        assert len({key for _, key, _ in posts}) == 1


def test_wrong_events_fail_and_those_around_them_arrive() -> None:
    with service(without_mallory) as (address, posts):
        events = mr.Producer(service=address)
        for user in ("u1", "mallory", "u2", "mallory"):
            events.emit(Click(user))
        with pytest.raises(mr.DeliveryFailed, match="2 events were not taken; the first: mallory is no user"):
            events.close()
        kept = [[line["user"] for line in lines] for _, _, lines in posts]
        assert [user for users in kept if "mallory" not in users for user in users] == ["u1", "u2"]


def test_the_delivery_of_one_event_is_reported_and_a_failure_that_was_told_is_not_raised_again() -> None:
    told: dict[str, tuple[str, int, int]] = {}

    def placed(lines: list[Any]) -> tuple[int, dict[str, Any]]:
        status, document = without_mallory(lines)
        positions = [{"topic": "clicks", "partition": 1, "offset": 7 + place} for place in range(len(lines))]
        return status, {**document, "positions": positions} if status == 202 else document

    def tell(user: str) -> Callable[[Exception | None, int, int], None]:
        return lambda error, *position: told.update({user: (str(error), *position)})

    def broken(error: Exception | None, partition: int, offset: int) -> None:
        raise ZeroDivisionError("in somebody's callback")

    with service(lambda lines: (202, {"positions": [], "spooled": 1})) as (address, _):
        with mr.Producer(service=address) as events:
            events.emit(Click("u0"), broken)
            events.emit(Click("u0"), tell("u0"))
    assert told["u0"] == ("None", -1, -1)
    with service(placed) as (address, _), mr.Producer(service=address) as events:
        for user in ("u1", "mallory", "u2"):
            events.emit(Click(user), tell(user))
    assert told["mallory"] == ("An event for clicks was not taken: mallory is no user", -1, -1)
    assert [told[user][::2] for user in ("u1", "u2")] == [("None", 7), ("None", 8)]


def test_a_topic_that_nobody_knows_is_not_tried_for_long() -> None:
    with service(lambda lines: (404, {"detail": "There is no topic"})) as (address, posts):
        events = mr.Producer(service=address)
        events.emit(Click("u1"))
        with pytest.raises(mr.DeliveryFailed, match="There is no topic"):
            events.close()
        assert len(posts) == 1


def test_a_service_that_comes_back_gets_what_was_emitted_meanwhile() -> None:
    [port] = free_ports(1)
    events = mr.Producer(service=f"http://127.0.0.1:{port}")
    events.emit(Click("u1"))
    with service(taken, port=port) as (_, posts):
        events.close()
        assert [line["user"] for _, _, lines in posts for line in lines] == ["u1"]


def test_a_service_that_stays_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PATIENCE", 0.05)
    events = mr.Producer(service=f"http://127.0.0.1:{free_ports(1)[0]}")
    events.emit(Click("u1"))
    with pytest.raises(mr.DeliveryFailed, match=r"1 event was not taken; the first: .*did not answer: ConnectError"):
        events.close()


def test_a_closed_producer_takes_nothing_more() -> None:
    with service(taken) as (address, _):
        events = mr.Producer(service=address)
        events.close()
        events.close()
        with pytest.raises(mr.DeliveryFailed, match="closed"):
            events.emit(Click("u1"))


def test_a_class_without_a_topic_is_refused_at_once() -> None:
    class Nowhere(mr.Event):
        name: str

    with service(taken) as (address, _), mr.Producer(service=address) as events:
        with pytest.raises(mr.SchemaError, match="Nowhere has no topic"):
            events.emit(Nowhere("x"))
