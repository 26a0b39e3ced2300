"""An OpenSearch of one test's own, to be killed and started again, and a technology whose steps can be disturbed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millrace.stack.search import SearchServer
from storage.search.search import Search


class OwnSearch:
    """A real server that only this test knows, with its data in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._server = SearchServer(folder, port)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._server.address

    def start(self) -> None:
        """Start it, over the data that it has left, and wait until it answers."""
        self._server.fetch(show=False)
        self._server.prepare()
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._server.command(), stdout=quiet, stderr=quiet)
        until = time.monotonic() + 600
        while not self._server.ready():
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL. Does nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def before(search: Search, step: str, happens: Callable[[], Any]) -> None:
    """Let something happen once, just before the client sends its next request of this kind ("bulk", "index")."""
    original = getattr(search._client, step)

    def disturbed(*arguments: Any, **options: Any) -> Any:
        setattr(search._client, step, original)
        happens()
        return original(*arguments, **options)

    setattr(search._client, step, disturbed)


def after(search: Search, step: str, happens: Callable[[], Any]) -> None:
    """The same just after its answer has come, which is lost if that raises."""
    original = getattr(search._client, step)

    def disturbed(*arguments: Any, **options: Any) -> Any:
        setattr(search._client, step, original)
        found = original(*arguments, **options)
        happens()
        return found

    setattr(search._client, step, disturbed)
