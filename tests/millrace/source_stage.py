"""A product that declares sources, and a web server that gives one file and knows whether it has changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from millrace.sources.snapshot import Outcome, snapshot
from schemas import EventType

EVENTS = """
import millrace as mr


class PriceChanged(mr.Event, topic="{topic}", key="item"):
    item: str
    price: float
    note: str | None = None
"""


class Stage:
    """A product in a folder, and an archive beside it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder / "shop"
        self.folder.mkdir()
        self.settings = Settings(**{"archive_url": str(folder / "archive"), **settings})  # type: ignore[arg-type]
        self.topic = f"prices-{folder.name.replace('_', '-')}"
        (self.folder / "events.py").write_text(EVENTS.format(topic=self.topic))

    @property
    def event_type(self) -> EventType:
        return Product.load(self.folder).event_types[self.topic]

    def declare(self, table: str) -> None:
        """Let product.toml say this of the source `prices`."""
        (self.folder / "product.toml").write_text(f"[sources.prices]\n{table}\n")

    def write(self, text: str, name: str = "prices.csv") -> None:
        (self.folder / name).write_text(text)

    def snapshot(self) -> Outcome:
        with closing(Platform(self.settings)) as platform:
            return snapshot(Product.load(self.folder), "prices", platform)


@dataclass
class Web:
    """What a web server gives, and what it was asked.

    Attributes:
        drop_by_drop: "headers" or "body" = that comes a byte now and then, without end.
    """

    url: str = ""
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    drop_by_drop: str = ""


@contextmanager
def web() -> Iterator[Web]:
    """A real server on a free port, while the block lasts."""
    state, ended = Web(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(dict(self.headers))
            if state.drop_by_drop:
                self.drip(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if state.drop_by_drop == "body" else b"X-Long: "))
                return
            etag = f'"{sha256(state.body).hexdigest()}"'
            same = self.headers.get("If-None-Match") == etag
            state.answered.append(304 if same else state.status)
            self.send_response(state.answered[-1])
            for name, text in state.headers.items():
                self.send_header(name, text)
            if not same:
                self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            if not same:
                self.wfile.write(state.body)

        def drip(self, first: bytes) -> None:
            """Send this, and then a byte now and then until nobody reads any more."""
            with suppress(OSError):
                self.wfile.write(first)
                while not ended.wait(0.1):
                    self.wfile.write(b"a")

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/prices.csv"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
