"""The near cache as its connection feeds it, byte by byte: replies and messages of changes in every order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.redis.lookup import SUMS, Question, packed
from storage.redis.near import MISSING, TRUST, Near
from storage.redis.request import Request
from storage.redis.socket import Socket

KEYS = ["a", "b"]


class Server:
    """Redis with counters of one field, on one connection. What it says waits in `said` until it is delivered.

    Attributes:
        heard: all values at the moment at which it said the newest message that has arrived as a whole.
    """

    def __init__(self) -> None:
        self.values: dict[str, int] = defaultdict(int)
        self.acknowledged: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.asked: list[str] = []
        self.said = b""
        self.heard: dict[str, int] = {}
        self._tracked: set[str] = set()
        self._moments: list[tuple[int, dict[str, int]]] = []

    def connected(self) -> None:
        """A new connection: of the old one it knows nothing more."""
        self.said, self.asked, self._tracked, self._moments = b"", [], set(), []

    def take(self, count: int) -> bytes:
        """The next bytes that arrive."""
        data, self.said = self.said[:count], self.said[count:]
        arrived = [values for left, values in self._moments if left >= len(self.said)]
        self.heard = arrived[-1] if arrived else self.heard
        self._moments = [(left, values) for left, values in self._moments if left < len(self.said)]
        return data

    def _say(self, message: bytes) -> None:
        self._moments = [(left + len(message), values) for left, values in self._moments]
        self.said += message
        self._moments.append((0, dict(self.values)))

    def serve(self) -> None:
        """Answer the oldest question."""
        if self.asked:
            key = self.asked.pop(0)
            self._tracked.add(key)
            value = str(self.values[key]).encode()
            self._say(b"%1\r\n$1\r\nv\r\n$" + b"%d\r\n%b\r\n" % (len(value), value))

    def write(self, key: str, now: float) -> None:
        """Somebody else's write, acknowledged at once."""
        self.values[key] += 1
        self.acknowledged[key].append((now, self.values[key]))
        if key in self._tracked:
            self._tracked.remove(key)
            self._say(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n" + key.encode() + b"\r\n")

    def flush(self, now: float) -> None:
        """Somebody empties it: every value is a new one."""
        for key in KEYS:
            self.values[key] += 1
            self.acknowledged[key].append((now, self.values[key]))
        self._tracked.clear()
        self._say(b">2\r\n$10\r\ninvalidate\r\n_\r\n")

    def oldest(self, key: str, until: float) -> int:
        """What had been acknowledged by then: nobody may be given less."""
        return max([value for at, value in self.acknowledged[key] if at <= until], default=0)


@dataclass
class World:
    """A server, a reader, the connection between them, and a clock that moves only when it is told to."""

    loop: asyncio.AbstractEventLoop
    now: float = 100.0
    server: Server = field(default_factory=Server)
    near: Near = field(default_factory=lambda: Near(1_000_000))
    given: int = 0
    waiting: list[tuple[str, float, asyncio.Future[list[Any]], int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._requests: list[Request] = []
        self._connect()

    def look(self, *keys: str) -> list[Any]:
        """What is near, as far as it may be given."""
        if not self.near.trusts(self.now):
            return [MISSING] * len(keys)
        return self.near.given([(SUMS, key, None) for key in keys])[0]

    def ask(self, key: str) -> None:
        """As a reader does: what is near, what somebody else has asked just now, or else Redis."""
        question: Question = (SUMS, key, None)
        [value] = self.look(key)
        if value is not MISSING:
            self.given += 1
            assert value["v"] >= self.server.oldest(key, self.now - TRUST)
            assert value["v"] >= self.server.heard.get(key, 0), "something that has arrived said so"
            return
        joined = self.near.join(key, None, self.now)
        if joined is None:
            request = Request([packed(("HGETALL", key))], self.loop.create_future(), 0.0, [question], self.near)
            request.began = self.now
            self.near.asked[key, None] = request, 0
            self._requests.append(request)
            self._socket.sent.append(request)
            self.server.asked.append(key)
            joined = request.future, 0
        self.waiting.append((key, self.now, *joined))

    def deliver(self, count: int) -> None:
        """So many bytes arrive."""
        self._socket.data_received(self.server.take(count))
        for key, began, future, place in self.waiting:
            if future.done():
                assert future.result()[place].get("v", 0) >= self.server.oldest(key, began - TRUST)
        self.waiting = [item for item in self.waiting if not item[2].done()]

    def cut(self) -> None:
        """The connection is lost; what waits is asked again on the next one, as `Connection` does it."""
        left = list(self._socket.sent)
        self.near.clear()
        self.server.connected()
        self._connect()
        for request in left:
            request.replies.clear()
            self._socket.sent.append(request)
            self.server.asked += [key for _, key, _ in request.questions]

    def _connect(self) -> None:
        self._socket = Socket(lambda socket, error: None, lambda: None, self.near)
        self._socket.connection_made(cast(asyncio.Transport, None))


@contextmanager
def world() -> Iterator[World]:
    with closing(asyncio.new_event_loop()) as loop:
        yield World(loop)


Step = Callable[[World], None]


def exchange(world: World, key: str) -> None:
    """A read that is answered before anything else happens."""
    world.ask(key)
    while world.server.asked:
        world.server.serve()
    world.deliver(10_000)


LIKELY: list[Step] = [
    *(lambda world, key=key: world.ask(key) for key in KEYS),
    *(lambda world, key=key: exchange(world, key) for key in KEYS),
    *(lambda world, key=key: world.server.write(key, world.now) for key in KEYS),
    lambda world: world.server.serve(),
    lambda world: world.deliver(10_000),
    lambda world: world.deliver(17),
    lambda world: setattr(world, "now", world.now + 2 * TRUST),
]
SELDOM: list[Step] = [
    lambda world: world.server.flush(world.now),
    lambda world: world.cut(),
    lambda world: setattr(world, "now", world.now + TRUST / 4),
]
STEPS = st.sampled_from([*LIKELY, *LIKELY, *SELDOM])


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=10, max_size=60))
def test_nobody_is_given_what_is_older_than_what_was_acknowledged_before_the_span_of_trust(steps: list[Step]) -> None:
    with world() as made:
        for step in steps:
            step(made)


def test_a_value_that_changes_while_its_reply_travels_is_not_kept() -> None:
    """Reply and message arrive in one piece: who stored the value when its turn came would keep it for good."""
    with world() as made:
        made.ask("a")
        made.server.serve()
        made.server.write("a", made.now)
        made.deliver(10_000)
        assert made.look("a") == [MISSING]


def test_a_value_is_given_while_it_is_proven_and_asked_for_again_afterwards() -> None:
    with world() as made:
        made.ask("a")
        made.server.serve()
        made.deliver(10_000)
        made.ask("a")
        assert (made.given, made.waiting) == (1, [])
        made.now += 2 * TRUST
        made.ask("a")
        assert (made.given, len(made.waiting)) == (1, 1)


def test_only_a_question_that_was_asked_just_now_is_joined() -> None:
    """Its reply may be on its way since before the write that somebody knows of."""
    with world() as made:
        made.ask("a")
        made.ask("a")
        assert made.server.asked == ["a"], "the second joins the first"
        made.server.serve()
        made.server.write("a", made.now)
        made.now += 2 * TRUST
        made.ask("a")
        assert made.server.asked == ["a"], "the third is asked anew"
        made.server.serve()
        made.deliver(10_000)
        assert made.waiting == []


def test_a_message_between_the_replies_of_one_request_counts_for_those_before_it() -> None:
    with world() as made:
        questions: list[Question] = [(SUMS, key, None) for key in KEYS]
        request = Request(
            [packed(("HGETALL", key)) for key in KEYS], made.loop.create_future(), 0.0, questions, made.near
        )
        request.began = made.now
        made._socket.sent.append(request)
        made.server.asked += KEYS
        made.server.serve()
        made.server.write("a", made.now)
        made.server.serve()
        made.deliver(10_000)
        assert request.future.result() == [{"v": 0}, {"v": 0}]
        assert made.look(*KEYS) == [MISSING, {"v": 0}]


def test_what_takes_more_than_there_is_room_for_makes_room() -> None:
    near = Near(10_000)

    for number in range(100):
        near.store(SUMS, f"key-{number}", None, {"v": number})
        assert near.used <= 10_000
    assert near.given([(SUMS, "key-0", None), (SUMS, "key-99", None)])[1] == [0], "what came first goes first"
    near.changed([b"key-0", b"key-99", b"nobody"])
    near.changed(None)
    assert near.used == 0


@pytest.mark.parametrize("again", [1, 3])
def test_what_is_stored_again_takes_its_room_once(again: int) -> None:
    near = Near(10_000)
    for _ in range(again):
        near.store(SUMS, "key", None, {"v": 1})
    once = near.used
    near.changed([b"key"])
    assert (once > 0, near.used) == (True, 0)
    near.store(SUMS, "key", None, {"v": 1})
    assert near.used == once
