"""Serves a worker's metrics over HTTP, from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from learners import LearnerRefused
from schemas.exposition import MEDIA_TYPE

PATIENCE = 5.0
"""Seconds that a request may take to come."""


@contextmanager
def metrics_page(host: str, port: int, text: Callable[[], str]) -> Iterator[int]:
    """Answer `GET /metrics` with what `text` gives, for the time of the block; gives the port.

    Args:
        port: 0 = any that is free.

    Raises:
        LearnerRefused: it cannot listen there.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            body = text().encode() if found else b"There is /metrics here.\n"
            self.send_response(200 if found else 404)
            self.send_header("content-type", MEDIA_TYPE if found else "text/plain; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: it is asked every few seconds."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:  # the port of a worker of many may be beyond the last there is
        raise LearnerRefused(
            f"A worker's metrics cannot be at {host}:{port} ({error}); name another --metrics-port."
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)
