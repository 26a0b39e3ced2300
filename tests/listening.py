"""An app that is really served, by a thread of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette


class Server(uvicorn.Server):
    """Stops as the service does: open streams are ended before connections are waited for."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.stopping()  # type: ignore[union-attr]
        await super().shutdown(sockets)


@contextmanager
def listening(app: Starlette, **options: Any) -> Iterator[Server]:
    """An app on a free port of loopback, `config.port`. When the block ends, it has to end too."""
    listener = socket.create_server(("127.0.0.1", 0))
    quiet = {"log_level": "warning", "ws": "none", "timeout_graceful_shutdown": 1}
    server = Server(uvicorn.Config(app, port=listener.getsockname()[1], **{**quiet, **options}))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
