"""An answer goes to its connection in one piece, and says what the server itself would have said, whatever the client
does."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from millrace import connection
from millrace.connection import Connection
from millrace.exchange import Exchange
from serving import EndpointType
from serving.answering import LIMIT
from serving.head import Reply, line, pairs
from tests.listening import Server, listening
from tests.serving.access.keyed import Keyed
from tests.serving.shop import Recommend, Recommendations, Shop
from tests.waiting import until

LONG = 8_000_000
"""Characters of an answer that no socket takes at once."""
WAIT = 60.0
CLOSE = "connection: close\r\n"
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


class Answer(NamedTuple):
    """One answer as it arrived. `headers` are as they came: twice where they came twice."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for other, value in self.headers if other == name]


class Client:
    """Bytes there and back, over one connection.

    Args:
        room: bytes that its side of the connection takes while it does not read.
    """

    def __init__(self, server: Server, room: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(WAIT)
        if room is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self._socket.connect(("127.0.0.1", server.config.port))
        self._file = self._socket.makefile("rb")

    def send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def answer(self, body: bool = True) -> Answer:
        status = int(self._file.readline().split(b" ")[1])
        headers = []
        while text := self._file.readline().rstrip(b"\r\n"):
            name, _, value = text.decode().partition(": ")
            headers.append((name, value))
        [size] = [int(value) for name, value in headers if name == "content-length"]
        return Answer(status, headers, self._file.read(size if body else 0))

    def ask(self, request: bytes) -> Answer:
        self.send(request)
        return self.answer()

    @property
    def hung_up(self) -> bool:
        """Whether the server has; waits for it."""
        return self._file.read(1) == b""

    def leave(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()


def asked(user: str, path: str = "/v1/recommend", head: str = "", http: str = "HTTP/1.1") -> bytes:
    body = f'{{"user":"{user}"}}'
    return f"POST {path} {http}\r\nhost: shop\r\n{head}content-length: {len(body)}\r\n\r\n{body}".encode()


class Stage:
    """A shop whose implementations answer with their user: at once, at length, or when they are let go."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self._go: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self.shop = Shop(self._kind())

    def let_go(self) -> None:
        """The slow one may answer."""
        self._loop.call_soon_threadsafe(self._go.set)

    def _kind(self) -> EndpointType[Recommend, Recommendations]:
        kind = EndpointType("recommend", Recommend, Recommendations, unit="user", deadline=timedelta(seconds=WAIT))

        @kind.implementation
        async def at_once(request: Recommend) -> Recommendations:
            self.users.append(request.user)
            return Recommendations([request.user])

        @kind.implementation
        async def at_length(request: Recommend) -> Recommendations:
            self.users.append(request.user)
            return Recommendations([request.user, "x" * LONG])

        @kind.implementation
        async def slowly(request: Recommend) -> Recommendations:
            self._loop, self._go = asyncio.get_running_loop(), asyncio.Event()
            self.users.append(request.user)
            await self._go.wait()
            return Recommendations([request.user])

        return kind


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The status of each answer that went in one piece."""
    found: list[int] = []

    class Noted(Exchange):
        def _write(self, reply: Reply) -> None:
            found.append(reply[0])
            super()._write(reply)

    monkeypatch.setattr(connection, "Exchange", Noted)
    return found


@contextmanager
def served(app: Any, http: Any = Connection) -> Iterator[Server]:
    with listening(app, http=http, log_config=None, access_log=False, server_header=False) as server:
        yield server


@pytest.fixture
def server(stage: Stage, pieces: list[int]) -> Iterator[Server]:
    with served(stage.shop.service().app()) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client


def user_of(answer: Answer) -> str:
    assert answer.status == 200
    assert answer.headers[-1] == ("content-length", str(len(answer.body)))
    [date] = answer.all("date")
    assert DATE.fullmatch(date)
    return answer.body.decode().removeprefix('{"items":["').partition('"')[0]


def test_it_says_what_the_server_itself_would_have_said(stage: Stage, pieces: list[int]) -> None:
    found = []
    for http in (Connection, "httptools"):
        with served(Stage().shop.service().app(), http) as server:
            with Client(server) as client:
                answers = [client.ask(asked("u1")), client.ask(asked("u2", "/v1/recommend/at_once", CLOSE))]
                assert client.hung_up
        apart = {"date", "millrace-decision"}
        headers = [[(name, "" if name in apart else value) for name, value in one.headers] for one in answers]
        found.append([(one.status, sorted(said), one.body) for one, said in zip(answers, headers, strict=True)])
    assert found[0] == found[1]
    assert pieces == [200, 200]


def test_a_connection_serves_one_request_after_the_other(client: Client, pieces: list[int]) -> None:
    for number in range(5):
        answer = client.ask(asked(f"u{number}"))
        assert user_of(answer) == f"u{number}"
        assert answer.all("connection") == []
    assert pieces == [200] * 5


@pytest.mark.parametrize(
    ("head", "http"), [(CLOSE, "HTTP/1.1"), ("Connection: Close\r\n", "HTTP/1.1"), ("", "HTTP/1.0")]
)
def test_it_is_closed_after_the_answer_for_a_client_that_wants_it(
    client: Client, pieces: list[int], head: str, http: str
) -> None:
    answer = client.ask(asked("u1", head=head, http=http))
    assert user_of(answer) == "u1"
    assert answer.all("connection") == ["close"]
    assert client.hung_up
    assert pieces == [200]


def test_while_the_service_is_leaving_each_answer_says_once_that_the_connection_closes(
    server: Server, client: Client, pieces: list[int]
) -> None:
    """As `millrace serve` does it: every answer of the server has a further header."""
    assert client.ask(asked("u1")).all("connection") == []
    for headers in (server.config.encoded_headers, server.server_state.default_headers):
        headers.append((b"connection", b"close"))
    for head in ("", CLOSE):
        with Client(server) as other:
            answer = other.ask(asked("u2", head=head))
            assert (user_of(answer), answer.all("connection")) == ("u2", ["close"])
            assert other.hung_up
    assert client.ask(asked("u3")).all("connection") == ["close"]
    assert client.hung_up
    assert pieces == [200] * 4


def test_a_service_that_stops_closes_with_the_answer_under_way(stage: Stage) -> None:
    with served(stage.shop.service().app()) as server, Client(server) as client:
        client.send(asked("u1", "/v1/recommend/slowly"))
        until(lambda: stage.users)
        server.should_exit = True
        until(lambda: not any(cast(Connection, one).cycle.keep_alive for one in list(server.server_state.connections)))
        stage.let_go()
        answer = client.answer()
        assert (user_of(answer), answer.all("connection")) == ("u1", ["close"])
        assert client.hung_up


def test_requests_that_are_sent_at_once_are_answered_in_their_order(
    stage: Stage, client: Client, pieces: list[int]
) -> None:
    client.send(b"".join([asked("u0", "/v1/recommend/slowly"), *[asked(f"u{number}") for number in range(1, 20)]]))
    until(lambda: stage.users)
    stage.let_go()
    assert [user_of(client.answer()) for _ in range(20)] == [f"u{number}" for number in range(20)]
    assert pieces == [200]  # others are queued, as uvicorn does it


def test_a_request_that_comes_in_pieces_has_one_answer_too(client: Client, pieces: list[int]) -> None:
    request = asked("u1")
    for byte in request[:-1]:
        client.send(bytes([byte]))
    assert user_of(client.ask(request[-1:])) == "u1"
    chunked = b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"
    client.send(chunked)
    assert client._file.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert client._file.readline() == b"\r\n"
    assert user_of(client.ask(b'7\r\n{"user"\r\n6\r\n:"u2"}\r\n0\r\n\r\n')) == "u2"
    assert pieces == [200]


def test_a_long_body_goes_the_servers_way_and_has_one_answer_too(
    stage: Stage, client: Client, pieces: list[int]
) -> None:
    for length in (60_000, 70_000, 250_000, 300_000):
        answer = client.ask(asked("u" * length))
        assert answer.status == (200 if length < LIMIT else 413)
        if answer.status == 413:
            break
    assert [len(user) for user in stage.users] == [60_000, 70_000, 250_000]
    assert pieces == [200]


def test_a_client_that_reads_slowly_is_waited_for_and_gets_all_of_it(
    stage: Stage, server: Server, pieces: list[int]
) -> None:
    with Client(server, room=65_536) as client:
        client.send(b"".join(asked(f"u{number}", "/v1/recommend/at_length") for number in range(3)))
        until(lambda: pieces == [200] and len(stage.users) == 2)
        assert stage.users == ["u0", "u1"]  # the third is not begun while nobody takes the second one's answer
        answers = [client.answer() for _ in range(3)]
    assert [user_of(answer) for answer in answers] == ["u0", "u1", "u2"]
    assert [len(answer.body) > LONG for answer in answers] == [True] * 3


def test_a_client_that_has_left_is_no_fault_and_its_decision_is_logged(
    stage: Stage, server: Server, client: Client, pieces: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    gone = Client(server)
    gone.send(asked("u1", "/v1/recommend/slowly"))
    until(lambda: stage.users == ["u1"])
    gone.leave()
    until(lambda: len(server.server_state.connections) == 1)
    stage.let_go()
    assert user_of(client.ask(asked("u2"))) == "u2"
    until(lambda: sorted(decision.unit for decision in stage.shop.kafka.decisions) == ["u1", "u2"])
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_problem_and_what_is_not_asked_of_endpoint_types_goes_as_it_did(client: Client, pieces: list[int]) -> None:
    assert client.ask(asked("u1", "/v1/nothing")).status == 404
    assert client.ask(asked("u1", "/v1/recommend/nothing")).status == 404
    assert client.ask(b"GET /v1 HTTP/1.1\r\nhost: shop\r\n\r\n").status == 200
    client.send(b"HEAD /v1 HTTP/1.1\r\nhost: shop\r\n\r\n")
    assert client.answer(body=False).status == 200
    assert client.ask(b"GET /v1/recommend HTTP/1.1\r\nhost: shop\r\n\r\n").status == 405
    assert user_of(client.ask(asked("u1"))) == "u1"
    assert pieces == [404, 404, 200]


def test_headers_that_the_gate_adds_are_in_answers_on_connections_too(tmp_path: Path, pieces: list[int]) -> None:
    keyed = Keyed(tmp_path, plain="answer")
    keyed.make("rated", "answer", rate="100/s")
    asyncio.run(keyed.access.look())
    with served(keyed.service.app()) as server, Client(server) as client:
        for name in ("plain", "rated", "plain"):
            answer = client.ask(asked("u1", head=f"authorization: Bearer {keyed.secrets[name]}\r\n"))
            assert answer.status == 200
            assert bool(answer.all("ratelimit")) == (name == "rated")
    assert pieces == [200]  # the first time its key is not known yet


def test_an_answered_request_leaves_nothing_for_the_garbage_collector(client: Client) -> None:
    for number in range(20):
        client.ask(asked(f"u{number}"))
    gc.collect()
    gc.disable()
    try:
        for number in range(200):
            client.ask(asked(f"u{number}"))
        found = gc.collect()
    finally:
        gc.enable()
    assert found < 200


def test_a_fault_of_ours_is_a_problem_and_the_log_says_why(
    pieces: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*of: object) -> None:
        raise ZeroDivisionError("inside")

    service = Shop().service()
    monkeypatch.setattr(service.answering, "answer", broken)
    with served(service.app()) as server, Client(server) as client, caplog.at_level(logging.ERROR):
        answers = [client.ask(asked("u1")) for _ in range(2)]
    assert pieces == [500, 500]
    for answer in answers:
        assert answer.all("content-type") == ["application/problem+json"]
        assert json.loads(answer.body)["type"] == "urn:millrace:problem:service-failed"
        assert b"inside" not in answer.body
    assert "ZeroDivisionError: inside" in caplog.text


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\0", "a\x7f", "ä", "\N{LINE SEPARATOR}", "a\tb"])
def test_no_line_holds_what_would_begin_another(value: str) -> None:
    with pytest.raises(ValueError, match="The header millrace-variant cannot be"):
        line("millrace-variant", value)


def test_lines_are_the_pairs_that_they_were_made_of() -> None:
    lines = line("content-type", "application/json") + line("odd", "a: b, c:d") + line("empty", "")
    assert pairs(lines) == [(b"content-type", b"application/json"), (b"odd", b"a: b, c:d"), (b"empty", b"")]
    assert pairs(b"") == []


def test_a_client_that_sends_far_more_than_it_waits_for_is_hung_up_on(
    stage: Stage, server: Server, client: Client
) -> None:
    client.send(asked("u0", "/v1/recommend/slowly"))
    until(lambda: stage.users)
    [mine] = cast(set[Connection], server.server_state.connections)
    many = b"".join(asked(f"u{number}") for number in range(connection.PIPELINED))
    mine.loop.call_soon_threadsafe(mine.data_received, many)
    until(lambda: len(mine.pipeline) == connection.PIPELINED)
    assert not mine.transport.is_closing()  # so many may wait
    mine.loop.call_soon_threadsafe(mine.data_received, many)
    until(lambda: not server.server_state.connections)
    assert client.hung_up
    assert not mine.pipeline
    assert stage.users == ["u0"]
