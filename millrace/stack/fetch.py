"""Fetching artefacts into the cache: in parallel, with a bar, each file checked before it counts."""

from __future__ import annotations

import os
import shutil
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import certifi
import httpx

from millrace.progress_bar import ProgressBar
from millrace.stack.artefacts import Artefact, Artefacts, filling, keeping
from millrace.stack.errors import StackError

MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
TRIES = 3
_CHUNK = 1 << 16
_PARALLEL = 6
_PAUSE = 0.5  # seconds between two tries


class _Stopped(Exception):
    pass


def fetched(artefacts: Artefacts, show: bool = True, repository: str | None = None) -> Path:
    """The folder that holds the artefacts' files; fetches those that are not there. Blocks.

    Args:
        show: draw a progress bar on stderr.
        repository: root of the Maven repository; `MILLRACE_MAVEN_MIRROR` or the public one when left out.

    Raises:
        StackError: unreachable repository, full disk, or a file that is not what was pinned. What was fetched before
            that is kept for the next call.
    """
    missing = artefacts.missing()
    if missing:
        with filling(artefacts.place, sum(file.size for file in missing), artefacts.title):
            _fill(artefacts, missing, repository or _repository(), show)
    return artefacts.place


def _repository() -> str:
    return (os.environ.get("MILLRACE_MAVEN_MIRROR") or MAVEN_CENTRAL).rstrip("/")


def _fill(artefacts: Artefacts, missing: list[Artefact], repository: str, show: bool) -> None:
    stopping = threading.Event()
    what = f"Fetching {artefacts.title} (once)"
    with ProgressBar(what, artefacts.size, "bytes", shown=show) as bar, _client() as client:
        bar.move(artefacts.size - sum(file.size for file in missing))

        def advance(count: int) -> None:
            if stopping.is_set():
                raise _Stopped
            bar.advance(count)

        with ThreadPoolExecutor(_PARALLEL) as pool:
            try:
                source = _Source(client, repository, stopping)
                running = [pool.submit(source.fetch, file, artefacts.place / file.file, advance) for file in missing]
                for done in wait(running, return_when=FIRST_EXCEPTION).done:
                    done.result()
            finally:  # also after Ctrl-C: what runs stops at its next chunk
                stopping.set()
                pool.shutdown(cancel_futures=True)


def _client() -> httpx.Client:
    """Trusts what the system trusts (a company's own authority), and the public authorities."""
    trusted = ssl.create_default_context(cafile=certifi.where())
    trusted.load_default_certs()
    try:
        return httpx.Client(verify=trusted, timeout=httpx.Timeout(20, connect=10), follow_redirects=True)
    except (ValueError, ImportError) as error:  # a proxy of an unknown kind, or SOCKS without its library
        raise StackError(
            f"The proxy that the environment names cannot be used ({error}); correct HTTPS_PROXY or ALL_PROXY."
        ) from error


class _Source:
    """A Maven repository, behind the one on this machine. `stopping` ends what it is at."""

    def __init__(self, client: httpx.Client, repository: str, stopping: threading.Event) -> None:
        self._client, self._repository, self._stopping = client, repository, stopping

    def fetch(self, artefact: Artefact, place: Path, advance: Callable[[int], None]) -> None:
        """Put the artefact into its place, calling `advance` with the number of each new bytes. Blocks."""
        with keeping(place) as file:
            local = _local_repository() / artefact.path
            if local.is_file() and artefact.is_in(local):
                shutil.copyfile(local, file)
                advance(artefact.size)
                return
            self._try(artefact, file, advance)
            if not artefact.is_in(file):
                raise StackError(
                    f"{artefact.name} from {self._repository} does not have its pinned SHA-256 and was thrown away; "
                    "that repository serves something else: name another one with MILLRACE_MAVEN_MIRROR."
                )

    def _try(self, artefact: Artefact, file: Path, advance: Callable[[int], None]) -> None:
        for left in reversed(range(TRIES)):
            try:
                self._download(f"{self._repository}/{artefact.path}", file, advance)
                return
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if left == 0 or not _may_pass(error):
                    raise self._unreachable(artefact, error) from error
                self._stopping.wait(_PAUSE)

    def _download(self, address: str, file: Path, advance: Callable[[int], None]) -> None:
        done = 0
        try:
            advance(0)
            with self._client.stream("GET", address) as answer, file.open("wb") as stream:
                answer.raise_for_status()
                for chunk in answer.iter_bytes(_CHUNK):
                    stream.write(chunk)
                    done += len(chunk)
                    advance(len(chunk))
        except httpx.HTTPError:
            advance(-done)
            raise

    def _unreachable(self, artefact: Artefact, error: Exception) -> StackError:
        reason = str(error).split("\n")[0] or type(error).__name__
        if isinstance(error, httpx.HTTPStatusError):
            reason = f"it answered {error.response.status_code} {error.response.reason_phrase}"
        return StackError(
            f"{artefact.coordinates} could not be fetched from {self._repository} ({reason}); check the network, "
            "or name a mirror with MILLRACE_MAVEN_MIRROR=https://..., and run this again."
        )


def _may_pass(error: Exception) -> bool:
    """Whether another try may succeed: not after a wrong address or a clear no."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    return not isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol))


def _local_repository() -> Path:
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")
