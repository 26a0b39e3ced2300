"""A file of the web, fetched into a folder of this machine: bounded in bytes and time, and only if it has changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from millrace.sources.declaration import ExternalSource, secret
from millrace.sources.errors import SourceRefused, SourceUnavailable

_SILENCE, _HOPS, _CHUNK = 30.0, 5, 1 << 16
_VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
"""What a server says of an answer (RFC 9110, section 8.8), and how it is asked whether that still holds."""


@dataclass(frozen=True)
class Download:
    """A file that was fetched, and what the server said of it, for the next time."""

    path: Path
    said: Mapping[str, str] = field(default_factory=dict)


def fetch(source: ExternalSource, folder: Path, said: Mapping[str, str], insecure: bool) -> Download | None:
    """Fetch it; None where the server says that it is as it was. Blocks.

    Args:
        said: what the server said of the answer that is kept; empty = of none.
        insecure: whether a server off this machine may be asked without TLS.

    Raises:
        SourceRefused: it is too large, or is no file; the address is none, or open to whoever listens, or one of
            another machine that leads back to this one.
        SourceUnavailable: the server does not answer, not in time, or not with the file.
    """
    address = source.url if source.url is not None else secret(source, source.url_env or "")
    headers = {_VALIDATORS[name]: text for name, text in said.items() if name in _VALIDATORS}
    if source.authorization_env is not None:
        headers["Authorization"] = secret(source, source.authorization_env)

    def check(request: httpx.Request) -> None:
        if _is_here(request.url.host) and not _is_here(httpx.URL(address).host):
            raise SourceRefused(
                f"The source {source.name} is on another machine, and sends whoever asks it to an address of this one, "
                "which only its own programs may ask."
            )
        if request.url.scheme != "https" and not insecure and not _is_here(request.url.host):
            raise SourceRefused(
                f"The source {source.name} is on another machine and is asked without TLS, so that whoever sits "
                "between could change it. Use https, or, where its network lets nobody else in, set "
                "allow_insecure_stores = true."
            )

    with _answering(source):
        return asyncio.run(_fetched(source, folder, address, headers, check, said))


async def _fetched(
    source: ExternalSource,
    folder: Path,
    address: str,
    headers: Mapping[str, str],
    check: Callable[[httpx.Request], None],
    said: Mapping[str, str],
) -> Download | None:
    """The same, all of it within the source's `timeout`: names, connections, redirects, headers and the file."""

    async def checked(request: httpx.Request) -> None:
        check(request)

    async with (
        asyncio.timeout(source.timeout.total_seconds()),
        httpx.AsyncClient(
            timeout=_SILENCE, follow_redirects=True, max_redirects=_HOPS, event_hooks={"request": [checked]}
        ) as client,
        client.stream("GET", address, headers=headers) as answer,
    ):
        if answer.status_code == httpx.codes.NOT_MODIFIED and said:
            return None
        _must_be_a_file(source, answer)
        path = folder / _file_name(source, address)
        await _write(source, answer, path)
        return Download(path, {name: answer.headers[name] for name in _VALIDATORS if name in answer.headers})


async def _write(source: ExternalSource, answer: httpx.Response, path: Path) -> None:
    size = 0
    with path.open("wb") as file:
        async for chunk in answer.aiter_bytes(_CHUNK):
            size += len(chunk)
            if size > source.limit_mb << 20:
                raise SourceRefused(f"The source {source.name} is larger than its limit_mb, {source.limit_mb} MB.")
            file.write(chunk)


def _must_be_a_file(source: ExternalSource, answer: httpx.Response) -> None:
    if answer.status_code != httpx.codes.OK:
        kind = SourceUnavailable if answer.status_code >= 500 or answer.status_code == 429 else SourceRefused
        raise kind(f"The source {source.name} answers {answer.status_code} {answer.reason_phrase}.")
    if answer.headers.get("content-type", "").startswith("text/html"):
        raise SourceRefused(f"The source {source.name} answers a page of HTML, and not CSV, NDJSON, Parquet or Arrow.")


@contextmanager
def _answering(source: ExternalSource) -> Iterator[None]:
    """No message of httpx's is passed on that may have the address in it."""
    try:
        yield
    except TimeoutError:
        raise SourceUnavailable(
            f"The source {source.name} was not all there within {source.timeout.total_seconds():g} s."
        ) from None
    except httpx.TransportError as error:
        why = " ".join(str(error).split()) if isinstance(error, httpx.NetworkError) else ""
        said = f"{type(error).__name__}{': ' if why else ''}{why}"
        raise SourceUnavailable(f"The source {source.name} does not answer ({said}).") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceRefused(f"The source {source.name} cannot be read: {type(error).__name__}.") from None


def _file_name(source: ExternalSource, address: str) -> str:
    """The name that tells what kind of file it is, and stands in messages."""
    suffix = Path(urlsplit(address).path).suffix.lower()
    return f"{source.name}{suffix if re.fullmatch(r'[.][a-z]{2,8}', suffix) else ''}"


def _is_here(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
