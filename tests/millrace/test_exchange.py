"""Whatever comes in whatever pieces is answered as the server itself answers it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import uvicorn
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from millrace.connection import Connection
from tests.millrace.test_connection import Stage

BODY = b'{"user":"u1"}'
APART = re.compile(rb"(millrace-decision: [^\r]*|connection: close)\r\n")
"""Lines that are others each time, or come at another place; whether the connection is closed is compared."""
PATHS = [
    b"/v1/recommend",
    b"/v1/recommend/at_once",
    b"/v1/nothing",
    b"/v1/recommend?a=b",
    b"/v1/recommend%20",
    b"/healthz",
]
LINES = [
    *(
        b"connection: close\r\n",
        b"connection: keep-alive\r\n",
        b"expect: 100-continue\r\n",
        b"origin: https://evil\r\n",
    ),
    *(b"upgrade: h2c\r\nconnection: upgrade\r\n", b"authorization: Bearer x\r\n", b"sec-fetch-site: cross-site\r\n"),
]
BODIES = [BODY, b"", b"{", b'{"user":"' + b"u" * 70_000 + b'"}']


def written(method: bytes, path: bytes, http: bytes, line: bytes, body: bytes, size: int) -> bytes:
    """A request; its body is chunked where a size of chunks is given."""
    head = b"%b %b HTTP/%b\r\nhost: shop\r\n%b" % (method, path, http, line)
    if not size:
        return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


REQUESTS = st.builds(
    written,
    st.sampled_from([b"POST", b"POST", b"POST", b"GET"]),
    st.sampled_from(PATHS[:2]) | st.sampled_from(PATHS),
    st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]),
    st.just(b"") | st.sampled_from(LINES),
    st.just(BODY) | st.sampled_from(BODIES),
    st.sampled_from([0, 0, 7, 50_000]),
) | st.sampled_from([b"\r\n", b"nonsense\r\n\r\n", b"POST /v1/recommend HTTP/1.1\r\ncontent-length: x\r\n\r\n"])


PLAIN = written(b"POST", PATHS[0], b"1.1", b"", BODY, 0)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("sockname", "peername") else default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


APP = Stage().shop.service().app()
TURNS = 30
"""Of the loop, after which all is written that can be: nothing that is asked for here waits for anything."""


async def answered(kind: type[HttpToolsProtocol], pieces: Sequence[bytes]) -> tuple[bytes, bool]:
    """All that is written to a client who sends these pieces, and whether the connection is closed then."""
    config = uvicorn.Config(APP, http=kind, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    state = ServerState()
    protocol, wire = kind(config=config, server_state=state, app_state={}), Wire()
    protocol.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            protocol.data_received(piece)
        for _ in range(TURNS):
            await asyncio.sleep(0)
    found = APART.sub(b"", wire.written), wire.closed
    protocol.connection_lost(None)
    while state.tasks:
        await asyncio.sleep(0)
    return found


def like(requests: Sequence[bytes], cuts: Sequence[float] = ()) -> None:
    """Send these requests, cut at these parts of all their bytes; both answer alike."""
    sent = b"".join(requests)
    places = [0, *sorted(int(cut * len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(places) if start < end]
    ours, theirs = (asyncio.run(answered(kind, pieces)) for kind in (Connection, HttpToolsProtocol))
    assert ours == theirs
    assert ours[0] or not sent.strip()


@given(st.lists(REQUESTS, min_size=1, max_size=4), st.lists(st.floats(0, 1), max_size=6))
@example([PLAIN, PLAIN, PLAIN], [0.5])
@example([PLAIN, written(b"POST", PATHS[0], b"1.1", b"", BODIES[-1], 0), PLAIN], [0.1, 0.9])
def test_what_comes_in_whatever_pieces_is_answered_as_the_server_answers_it(
    requests: list[bytes], cuts: list[float]
) -> None:
    like(requests, cuts)


@pytest.mark.parametrize("http", [b"1.1", b"1.0"])
@pytest.mark.parametrize("line", [b"", *LINES])
def test_what_is_unusual_about_a_request_is_heeded(http: bytes, line: bytes) -> None:
    for path in PATHS:
        like([written(b"POST", path, http, line, BODY, 0), PLAIN])
        like([written(b"POST", path, http, line, BODY, 7), PLAIN], [0.3])
