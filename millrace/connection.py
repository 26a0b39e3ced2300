"""Connections of the models service: HTTP/1.1 by uvicorn, with an end to what a client may send and how long it takes.

uvicorn has no limit for a request's head, its trailers or its time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from millrace.exchange import Exchange
from serving.application import Application

HEAD = 64 * 1024
"""Bytes of request line and headers, beyond what arrived at once."""
LARGEST = 8 * 1024 * 1024
"""Bytes of a request with its body and everything around its chunks; each address has its own limit below."""
SECONDS = 30.0
"""For a request to arrive, from its first byte on, for a connection's first one, and for a client to read what it was
answered."""
PIPELINED = 100
"""Requests that may wait on a connection for the answers before theirs; each takes some kilobytes."""

_REFUSED = {
    408: b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    413: b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
}


WANTED = 65_536
"""Files that the process may open, where the system lets it."""
OTHERS = 256
"""Files that the process may open beside its clients' connections: storages, Kafka, what it reads and writes."""


class Connection(HttpToolsProtocol):
    """One client's connection. There are `most` at a time; one more is closed at once, as it could not be served, and
    storages that are away could not be reached again."""

    clock: Callable[[], float] = time.monotonic
    most = 10_000

    def __init__(self, config: Config, **state: Any) -> None:
        """See `HttpToolsProtocol`."""
        super().__init__(config, **state)
        self._taking: Exchange | None = None
        """What takes the request's body now."""
        self._answered: float | None = None
        """When the last answer was given; None = a request has begun since."""
        self._application = config.app if isinstance(config.app, Application) and not config.root_path else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        self._since: float | None = self.clock()
        self._unread, self._unread_at = 0, self.clock()
        """Bytes of answers that the client has not taken, and since when there are so many."""
        self._received, self._in_head = 0, True
        if len(self.connections) < self.most:
            super().connection_made(transport)
        else:
            self.transport = transport
            transport.abort()

    def on_message_begin(self) -> None:
        """A request has begun."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._in_head, self._answered = True, None
        self._since, self._received = self.clock(), -1

    def on_headers_complete(self) -> None:
        """Its head is complete. A client that has sent far more than it waits for is hung up on."""
        self._in_head = False
        if len(self.pipeline) >= PIPELINED:
            self.pipeline.clear()
            self.transport.close()
        if self.transport.is_closing():
            return
        self._taking = self._exchange()
        if self._taking is None:
            self._route()
        else:
            self.cycle = cast(Any, self._taking)

    def on_body(self, body: bytes) -> None:
        """Some of its body has come."""
        if self._taking is None:
            super().on_body(body)
            return
        self._taking.body += body
        if len(self._taking.body) > HIGH_WATER_LIMIT:
            self._route()

    def on_message_complete(self) -> None:
        """It is complete; the one before may have been answered while it came."""
        self._since = self._answered = None
        if self._taking is None:
            super().on_message_complete()
            return
        exchange, self._taking = self._taking, None
        exchange.task = self.loop.create_task(exchange.run())
        self.tasks.add(exchange.task)

    def on_response_complete(self) -> None:
        """An answer has been given. As uvicorn does it, but that `look` ends connections that are not used: a timer for
        each request costs more."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.flow.resume_reading()
            self._answered = self.clock()

    def data_received(self, data: bytes) -> None:
        """Bytes have come; a request that is then still incomplete is counted."""
        super().data_received(data)
        if self._since is None:
            return
        if self._received < 0:  # it began among these bytes, which may end another one
            self._received = 0
            return
        self._received += len(data)
        if self._received > (HEAD if self._in_head else LARGEST):
            self._refuse(431 if self._in_head else 413)

    def look(self, now: float) -> None:
        """Called every second: end the connection if its request takes too long, or none has come for long, or its
        client does not read."""
        unread = self.transport.get_write_buffer_size()
        if not unread or unread != self._unread:
            self._unread, self._unread_at = unread, now
        elif now - self._unread_at > SECONDS:
            self.transport.abort()
            return
        if self._since is not None and now - self._since > SECONDS:
            self._refuse(408)
        elif self._answered is not None and now - self._answered > self.timeout_keep_alive:
            self.timeout_keep_alive_handler()

    def _exchange(self) -> Exchange | None:
        """What the request begins, if it is for an endpoint type, and nothing about it is unusual."""
        parser, before = self.parser, cast("Exchange | None", self.cycle)
        if self._application is None or parser.get_method() != b"POST":
            return None
        if before is not None and not before.response_complete:
            return None
        if self.expect_100_continue or parser.should_upgrade():
            return None
        answer = self._application.short_way(self.url, self.headers)
        keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        return None if answer is None else Exchange(self, answer, keep_alive)

    def _route(self) -> None:
        """Go uvicorn's way with the request, and with what has come of its body."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        body = b""
        if self._taking is not None:
            body, self.cycle = bytes(self._taking.body), cast(Any, None)
            self._taking = None
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _refuse(self, status: int) -> None:
        """Say why, where nothing of an answer has been sent, and hang up."""
        self._since = None
        if self.transport.is_closing():
            return
        cycle = self.cycle
        answered = cycle is not None and (cycle.response_started if not self._in_head else not cycle.response_complete)
        if self.headers is not None and not answered:
            self.transport.write(_REFUSED[status])
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


def make_room() -> None:
    """Let this process open as many files as the system allows it, and take as many connections but for `OTHERS`."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    Connection.most = WANTED if soft == resource.RLIM_INFINITY else max(soft - OTHERS, soft // 2)


def look_at(connections: Iterable[Any]) -> None:
    """End those of these connections that take too long."""
    for connection in list(connections):
        cast(Connection, connection).look(connection.clock())
