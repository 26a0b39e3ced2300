"""Takes up a data product's changed files while the service answers: checked in another process, then swapped in."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from watchfiles import awatch

from serving.binding import Types
from serving.endpoints import Endpoints

LOGGER = logging.getLogger("millrace.hot")
PATIENCE = 15.0
"""Seconds that the check may take; an import that loops or blocks is killed then."""
STEP_MS, GATHER_MS, ANYWAY_MS = 20, 60, 1000
"""How often files are looked at, how long changes are gathered into one, and when to compare without any notice."""
SOURCES = {".py", ".toml", ".avsc"}


class HotLoader:
    """Watches a product's folder.

    A change is first checked by `check`, a command that gets the folder as its last argument, imports it and asks its
    golden requests: whatever that code does, it does it in a process that can be killed. What passed is loaded here by
    `load`, in a thread, and not asked again; if a file changed in between, everything begins anew.

    Args:
        check: command whose exit code 0 means yes; otherwise each line of its output is a problem.
        load: imports the folder in this process and gives its endpoint types. Raises where that fails.
        patience: seconds that the check may take.
    """

    def __init__(
        self, folder: Path, check: Sequence[str], load: Callable[[], Types], patience: float = PATIENCE
    ) -> None:
        self._folder, self._check, self._load, self._patience = folder, tuple(check), load, patience
        self._seen = self._fingerprint()

    async def run(self, endpoints: Endpoints) -> None:
        """Take up changes until cancelled."""
        changes = awatch(
            self._folder,
            debounce=GATHER_MS,
            step=STEP_MS,
            watch_filter=None,
            rust_timeout=ANYWAY_MS,
            yield_on_timeout=True,
        )
        async for _ in changes:
            while (found := await asyncio.to_thread(self._fingerprint)) != self._seen:
                self._seen = found
                try:
                    await self._take(endpoints, found)
                except Exception as error:  # ends this reload, never the next one
                    _say(endpoints.refuse([str(error) or type(error).__name__]))

    async def _take(self, endpoints: Endpoints, fingerprint: str) -> None:
        problems = await self._problems()
        types: Types = ()
        if not problems:
            try:
                types = await asyncio.to_thread(self._loaded)
            except Exception as error:
                problems = [str(error) or type(error).__name__]
        if await asyncio.to_thread(self._fingerprint) != fingerprint:
            return  # what was checked may not be what was loaded; `run` sees the change too
        problems = endpoints.refuse(problems) if problems else endpoints.take(types)
        _say(problems)
        if not problems:
            LOGGER.info("%s was loaded anew.", self._folder.name)

    async def _problems(self) -> Sequence[str]:
        """What the check says; empty when all is well."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._check,
            str(self._folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._patience):
                output, errors = await process.communicate()
        except TimeoutError:
            return [f"Importing {self._folder.name} and its golden requests took more than {self._patience:.0f} s."]
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # the group: also what it started
                await process.wait()
        if process.returncode == 0:
            return []
        lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
        last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return lines or [f"The check of {self._folder.name} ended with {process.returncode}: {last or 'no output'}."]

    def _loaded(self) -> Types:
        """Load, and read code and hashes while the files are those that were loaded. Blocks."""
        types = self._load()
        for kind in types:
            for implementation in kind.implementations.values():
                _ = implementation.hash, implementation.code
        return types

    def _fingerprint(self) -> str:
        """A hash of the sources' names and contents. Blocks while it reads."""
        digest = sha256()
        for path in sorted(_sources(self._folder)):
            with suppress(OSError):  # removed just now
                digest.update(os.fsencode(path.relative_to(self._folder)) + b"\0" + sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    """Files that count, in all folders that are not hidden; a folder that is removed meanwhile is passed over."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        yield from (Path(place, name) for name in files if Path(name).suffix in SOURCES and not name.startswith("."))


def _say(problems: Sequence[str]) -> None:
    for problem in problems:
        LOGGER.error("Saved code is not taken, what answered before keeps answering: %s", problem)
