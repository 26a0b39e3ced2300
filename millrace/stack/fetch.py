"""Fetching artefacts into the cache: in parallel, with a bar, each file checked before it counts."""

from __future__ import annotations

import os
import shutil
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import certifi
import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from millrace.stack.artefacts import Artefact, Artefacts, cache, filling
from millrace.stack.errors import StackError

TRIES = 3
_CHUNK = 1 << 16
_PARALLEL = 6


class _Stopped(Exception):  # noqa: N818 - no error: the fetch was interrupted elsewhere
    pass


def fetched(artefacts: Artefacts, show: bool = True, repository: str | None = None) -> Path:
    """The folder that holds the artefacts' files; fetches them when it is not there. Blocks.

    Args:
        show: draw a progress bar on stderr.
        repository: root of the Maven repository; `MILLRACE_MAVEN_MIRROR` or the public one when left out.

    Raises:
        StackError: unreachable repository, full disk, or a file that is not what was pinned.
    """
    place = cache() / artefacts.folder
    if place.is_dir():
        return place
    with filling(place, 2 * artefacts.size, artefacts.title) as folder:
        _fill(folder, artefacts, repository or _repository(), show)
    return place


def _repository() -> str:
    own = os.environ.get("MILLRACE_MAVEN_MIRROR")
    if own:
        return own.rstrip("/")
    from jgo.constants import MAVEN_CENTRAL_URL  # slow to import, and only needed here

    return str(MAVEN_CENTRAL_URL)


def _fill(folder: Path, artefacts: Artefacts, repository: str, show: bool) -> None:
    stopping = threading.Event()
    columns = (TextColumn("Fetching {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bar, _client() as client:
        task = bar.add_task(f"{artefacts.title} (once)", total=artefacts.size)

        def fetch(artefact: Artefact) -> None:
            def advance(count: int) -> None:
                if stopping.is_set():
                    raise _Stopped
                bar.advance(task, count)

            _fetch(client, repository, artefact, folder / artefact.file, advance)

        with ThreadPoolExecutor(_PARALLEL) as pool:
            try:
                for _ in pool.map(fetch, artefacts.files):
                    pass
            finally:  # also after Ctrl-C: what runs stops at its next chunk
                stopping.set()
                pool.shutdown(cancel_futures=True)


def _client() -> httpx.Client:
    """Trusts what the system trusts (a company's own authority), and the public authorities."""
    trusted = ssl.create_default_context(cafile=certifi.where())
    trusted.load_default_certs()
    return httpx.Client(verify=trusted, timeout=20, follow_redirects=True)


def _fetch(
    client: httpx.Client, repository: str, artefact: Artefact, file: Path, advance: Callable[[int], None]
) -> None:
    local = _local_repository() / artefact.path
    if local.is_file() and artefact.is_in(local):
        shutil.copyfile(local, file)
        advance(artefact.size)
        return
    for left in reversed(range(TRIES)):
        try:
            _download(client, f"{repository}/{artefact.path}", file, advance)
            break
        except httpx.HTTPError as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 500
            if left == 0 or (status < 500 and status != 429):
                raise _unreachable(artefact, repository, error) from error
            time.sleep(0.5)
    if not artefact.is_in(file):
        raise StackError(
            f"{artefact.file} from {repository} does not have its pinned SHA-256 and was thrown away; "
            "that repository serves something else: name another one with MILLRACE_MAVEN_MIRROR."
        )


def _download(client: httpx.Client, address: str, file: Path, advance: Callable[[int], None]) -> None:
    done = 0
    try:
        with client.stream("GET", address) as answer, file.open("wb") as stream:
            answer.raise_for_status()
            for chunk in answer.iter_bytes(_CHUNK):
                stream.write(chunk)
                done += len(chunk)
                advance(len(chunk))
    except httpx.HTTPError:
        advance(-done)
        raise


def _local_repository() -> Path:
    from jgo.constants import default_maven_repo

    return Path(default_maven_repo())


def _unreachable(artefact: Artefact, repository: str, error: httpx.HTTPError) -> StackError:
    reason = str(error).split("\n")[0] or type(error).__name__
    return StackError(
        f"{artefact.coordinates} could not be fetched from {repository} ({reason}); check the network, "
        "or name a mirror with MILLRACE_MAVEN_MIRROR=https://..., and run this again."
    )
