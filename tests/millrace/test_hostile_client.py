"""A client that means harm, on real sockets: whatever it sends, it is told what is wrong, and others are answered."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import httpx
import pytest

from millrace import connection
from millrace.connection import Connection, look_at
from tests.listening import Server, listening
from tests.plain import PLAIN
from tests.serving.shop import Recommendations, Shop, popular
from tests.waiting import until

JSON = "content-type: application/json\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The service of a small shop behind the connections that `millrace serve` has, in a thread of this process."""
    shop = Shop(popular(default=Recommendations([])))
    shop.learner()
    with listening(shop.service().app(), http=Connection, log_config=None, access_log=False) as server:
        yield server


@pytest.fixture
def address(server: Server) -> Iterator[tuple[str, int]]:
    """Where it listens; after the test it still answers."""
    yield "127.0.0.1", server.config.port
    answer = httpx.post(
        f"http://127.0.0.1:{server.config.port}/v1/recommend", json={"user": "u1"}, timeout=30, verify=PLAIN
    )
    assert answer.status_code == 200


def said(address: tuple[str, int], *parts: bytes, end: bytes = b"\0") -> bytes:
    """All that is answered to these bytes until the server hangs up or `end` comes; sending ends where it hangs up.

    The side that sends stays open: who has closed it is taken to have left."""
    with closing(socket.create_connection(address, timeout=30)) as client:
        try:
            for part in parts:
                client.sendall(part)
        except OSError:
            pass
        found = b""
        try:
            while end not in found and (data := client.recv(65536)):
                found += data
        except ConnectionError:
            pass
        return found


def posted(path: str, body: bytes, headers: str = JSON) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


DEEP = b'{"user":"u1","tags":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "deep": DEEP,
    "deep and open": b'{"user":"u1","tags":' + b'{"a":' * 20_000,
    "deep in a key": b'{"' + b"[" * 50_000 + b'":1}',
    "a giant number": b'{"user":"u1","page":{"size":' + b"9" * 100_000 + b"}}",
    "a giant exponent": b'{"user":"u1","page":{"size":1e999999999}}',
    "a number for a text": b'{"user":12345678901234567890}',
    "no UTF-8": b'{"user":"\xff\xfe"}',
    "half a pair": b'{"user":"\\ud800"}',
    "NUL": b'{"user":"\\u0000"}',
    "a raw NUL": b'{"user":"\x00"}',
    "NaN": b'{"user":"u1","tags":NaN}',
    "a million commas": b'{"user":"u1","tags":[' + b"," * 200_000 + b"]}",
    "many keys": b'{"user":"u1",' + b",".join(b'"k%d":1' % n for n in range(15_000)) + b"}",
    "one key often": b'{"user":"u1",' + b",".join([b'"user":"u2"'] * 15_000) + b"}",
    "many texts": b'{"user":"u1","tags":[' + b",".join([b'""'] * 60_000) + b"]}",
    "half a text": b'{"user":"' + b"\\" * 100_001,
    "zipped": gzip.compress(b'{"user":"u1"}'),
}


@pytest.mark.parametrize("path", ["/v1/recommend", "/v1/recommend/newest", "/events/clicks", "/console/login"])
def test_no_body_whatever_it_holds_is_answered_with_a_fault_of_ours(address: tuple[str, int], path: str) -> None:
    for name, body in BODIES.items():
        found = status(said(address, posted(path, body)))
        assert 200 <= found < 500, (name, found)


def test_no_body_is_a_fault_of_ours_where_storages_are_changed(address: tuple[str, int]) -> None:
    place = "/storages/memory/ranking/popular"
    for name, body in BODIES.items():
        for path in (f"{place}/switch", f"{place}/rollback", "/console/storages"):
            assert 200 <= status(said(address, posted(path, body))) < 500, (name, path)
        created = posted("/storages/memory/records/odd", b'{"schema":' + body + b"}").replace(b"POST", b"PUT", 1)
        assert 200 <= status(said(address, created)) < 500, name


FORM = "content-type: application/x-www-form-urlencoded\r\n"


def test_no_form_is_a_fault_of_ours(address: tuple[str, int]) -> None:
    odd = ("9" * 5_000, "1e999999", "%00", "%FF%FE", "%ED%A0%80", "%5B" * 50_000, "%7B%22a%22%3A" * 20_000, "NaN", "²")
    for value in odd:
        for field in ("endpoint=recommend&user", "endpoint=recommend&user=u1&page.size", "endpoint=recommend&tags"):
            form = f"{field}={value}&implementation=".encode()
            assert 200 <= status(said(address, posted("/console/endpoints", form, FORM))) < 500, (field, value[:20])
        for fields in (f"do=delete&storage=memory/ranking/popular&version={value}", f"do=switch&storage={value}"):
            assert 200 <= status(said(address, posted("/console/storages", fields.encode(), FORM))) < 500, fields[:50]
    assert status(said(address, posted("/console/storages", b"a=b&" * 2_000, FORM))) == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/" + "a" * 10_000,
        "/v1/%00",
        "/v1/%ff%fe",
        "/v1/..%2f..%2fetc%2fpasswd",
        "/console/static/..%2f..%2fshell.py",
        "/console/static/%00",
        "/docs/static/....//routes.py",
        "/storages/memory/ranking/%00",
        "/storages/memory/ranking/popular/rows/%00?size=1",
        "/storages/memory/ranking/popular/rows/%ed%a0%80?size=99999999999999999999",
        "/v1?" + "a=b&" * 5_000,
        "/console/storages?storage=%ff&members=" + "9" * 5_000,
        "/console/storages?ask=switch&version=" + "9" * 5_000,
        "/console/flow?" + "&".join(f"{name}=%00%ff" for name in ("trace", "node", "event", "q")),
        "/console/flow?event=ratings/%C2%B2/1",
        "/console/flow?event=ratings/" + "9" * 5_000 + "/1",
        "//v1",
        "*",
        "http://evil.example/v1",
    ],
)
def test_no_address_is_a_fault_of_ours(address: tuple[str, int], path: str) -> None:
    answer = said(address, f"GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n".encode("latin-1"))
    assert 200 <= status(answer) < 500, answer[:300]
    assert b"root:" not in answer
    assert b"import annotations" not in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: shop\r\nbad header\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: shop\r\na: b\x00c\r\n\r\n",
        b"POST /v1/recommend HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused(address: tuple[str, int], request_: bytes) -> None:
    assert status(said(address, request_)) == 400


def test_a_head_that_does_not_end_is_refused(address: tuple[str, int]) -> None:
    head = b"GET /healthz HTTP/1.1\r\nhost: shop\r\n"
    for endless in (b"x: " + b"a" * 60_000, b"x: y\r\n" * 10_000, b"x" * 60_000):
        assert status(said(address, head, *[endless] * 50)) in (400, 431)
    assert status(said(address, b"GET /" + b"a" * 1_000_000)) in (400, 431)
    many = b"".join(b"x%d: y\r\n" % number for number in range(200))
    assert status(said(address, head + many + b"connection: close\r\n\r\n")) == 431


def test_trailers_that_do_not_end_are_refused(address: tuple[str, int]) -> None:
    head = b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    found = status(said(address, head, *[b"x: " + b"a" * 60_000 + b"\r\n"] * 200))
    assert found in (400, 413, 431)


def test_a_body_that_is_too_long_is_refused_before_it_is_there(address: tuple[str, int]) -> None:
    for path, limit in (("/v1/recommend", 256 * 1024), ("/events/clicks", 1024 * 1024)):
        assert status(said(address, posted(path, b" " * (limit + 1)))) == 413
        head = f"POST {path} HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        assert status(said(address, head, *[chunk] * 40, end=b"}")) == 413


def test_very_many_lines_that_are_none_are_refused_in_time(address: tuple[str, int]) -> None:
    most, ndjson = 50_000, "content-type: application/x-ndjson\r\n"
    answer = said(address, posted("/events/clicks", b"1\n" * most, ndjson))
    assert status(answer) == 400
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (problem["wrong"], len(problem["errors"])) == (most, 100)
    assert status(said(address, posted("/events/clicks", b"1\n" * (most + 1), ndjson))) == 413


class Clock:
    """What a connection takes for the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_more_connections_than_there_is_room_for_are_turned_away_and_the_others_stay(
    server: Server, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_connection(address, timeout=30)) as first:
        until(lambda: first.getsockname() in by_client(server), 30)
        monkeypatch.setattr(Connection, "most", len(server.server_state.connections))
        assert said(address, posted("/v1/recommend", b'{"user":"u1"}')) == b""
        first.sendall(posted("/v1/recommend", b'{"user":"u1"}'))
        assert status(first.recv(65536)) == 200


def by_client(server: Server) -> dict[Any, Any]:
    """The connections that are open now."""
    return {getattr(one, "client", None): one for one in list(server.server_state.connections)}


@pytest.mark.parametrize(
    ("begun", "answered"),
    [
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: shop\r\nx: ", b"HTTP/1.1 408 "),
        (b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\ncontent-length: 100\r\n\r\n{", b"HTTP/1.1 408 "),
        (b"POST /events/clicks HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{", b"HTTP/1.1 408 "),
    ],
)
def test_a_request_that_takes_too_long_to_arrive_is_ended(
    server: Server, address: tuple[str, int], begun: bytes, answered: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(Connection, "clock", clock)
    with closing(socket.create_connection(address, timeout=30)) as client:
        until(lambda: client.getsockname() in by_client(server), 30)
        mine = by_client(server)[client.getsockname()]
        client.sendall(begun)
        until(lambda: not begun or mine.headers is not None, 30)
        clock.now = connection.SECONDS + 1
        mine.loop.call_soon_threadsafe(look_at, [mine])
        assert client.recv(1000).startswith(answered)
        assert not answered or client.recv(1000) == b""


@pytest.mark.parametrize(
    "asked", [b"POST /v1/recommend HTTP/1.1\r\nhost: shop\r\ncontent-length: 13", b"GET /healthz HTTP/1.1"]
)
def test_a_connection_is_closed_some_time_after_its_last_answer(
    server: Server, address: tuple[str, int], asked: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(Connection, "clock", clock)
    with closing(socket.create_connection(address, timeout=30)) as client:
        client.sendall(asked + b'\r\n\r\n{"user":"u1"}'[: 4 if asked.startswith(b"GET") else None])
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        mine = by_client(server)[client.getsockname()]
        clock.now = mine.timeout_keep_alive + 1
        mine.loop.call_soon_threadsafe(mine.data_received, b"\r\n")  # begins no request
        mine.loop.call_soon_threadsafe(look_at, [mine])
        assert client.recv(1000) == b""


def _answered(server: Server, connection: Any, requests: int) -> bool:
    """Whether so many requests have their answers, or the connection takes no more of one."""
    return bool(server.server_state.total_requests == requests or connection.flow.write_paused)


def test_a_client_that_does_not_read_its_answers_is_hung_up_on(
    server: Server, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(Connection, "clock", clock)
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(address)
        until(lambda: client.getsockname() in by_client(server), 30)
        mine = by_client(server)[client.getsockname()]
        answered = server.server_state.total_requests
        while not mine.transport.get_write_buffer_size():  # what the system holds for the client is full
            answered += 50
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: shop\r\n\r\n" * 50)
            until(partial(_answered, server, mine, answered), 30)
        for seconds, hung_up in ((0.0, False), (connection.SECONDS, False), (1.0, True)):
            clock.now += seconds
            looked = threading.Event()
            mine.loop.call_soon_threadsafe(look_at, [mine])
            mine.loop.call_soon_threadsafe(looked.set)
            assert looked.wait(30)
            assert mine.transport.is_closing() is hung_up
