"""Connections to OpenSearch that send nothing twice, and what its failures mean.

Nobody but `search*.py` imports the driver. It warns of each failed request with two tracebacks, and whoever asks an
OpenSearch that is away asks many times a second; we say it by errors instead, once.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from opensearchpy import AsyncOpenSearch, OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, TransportError
from urllib3.exceptions import NewConnectionError

from storage.errors import StorageError, StorageUnavailable, UnknownOutcome
from storage.handshake import perhaps

_PARALLEL = 32
_SYSTEM = re.compile(r"\[Errno (\d+)\]")
_UNTRUSTED = "certificate verify failed"
_USUAL_PORTS = {"http": 9200, "https": 443}
logging.getLogger("opensearch").setLevel(logging.ERROR)


class Server:
    """One OpenSearch by its url: `http://host:port`, or `https://user:password@host:port`, whose certificate is checked
    (by the authorities that Python trusts, or by those in the file `?ssl_ca_certs=`).

    Args:
        timeout: seconds without an answer after which a call gives up.

    Attributes:
        place: where it is, for people, without a password, with the setting that says so.
    """

    def __init__(self, url: str, timeout: float) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or _USUAL_PORTS.get(parts.scheme)
        except ValueError:  # its words may be a piece of a password
            port = None
        if port is None or not parts.hostname or "@" in f"{parts.path}{parts.query}{parts.fragment}":
            raise StorageUnavailable(
                "search_url must be http://host:port or https://user:password@host:port, with "
                "what is no letter or digit in the password written as %40 and the like."
            ) from None
        self.place = f"{parts.hostname}:{port} (search_url)"
        self._encrypted = parts.scheme == "https"
        self._options: dict[str, Any] = {
            "hosts": [{"host": parts.hostname, "port": port, "use_ssl": self._encrypted}],
            "timeout": timeout,
            "max_retries": 0,
            "retry_on_timeout": False,
            "pool_maxsize": _PARALLEL,
        }
        if parts.username is not None:
            self._options["http_auth"] = (unquote(parts.username), unquote(parts.password or ""))
        if authorities := parse_qs(parts.query).get("ssl_ca_certs"):
            self._options["ca_certs"] = authorities[0]

    def client(self) -> OpenSearch:
        """For writing; may be shared between threads."""
        return OpenSearch(**self._options)

    def reading_client(self) -> AsyncOpenSearch:
        """For reading; belongs to the running event loop."""
        return AsyncOpenSearch(**self._options)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """For what only reads, or may be repeated at will: whether a request got through does not matter."""
        try:
            yield
        except TransportError as error:
            raise self.unavailable(error) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """For what must be known to be applied or not: raises UnknownOutcome where that is not known."""
        try:
            yield
        except TransportError as error:
            raise self._unknown_or_refused(error) from error

    def unavailable(self, error: TransportError) -> StorageUnavailable:
        """The error for what did not happen."""
        return StorageUnavailable(f"OpenSearch at {self.place} {self._words(error)}.")

    def _words(self, error: TransportError) -> str:
        if isinstance(error, ConnectionTimeout):
            return "has not answered in time"
        if isinstance(error, NoConnection):
            cause = str(error.info)
            if _UNTRUSTED in cause.lower():
                return f"cannot be reached: {_UNTRUSTED}; it must be for this host, of an authority in ssl_ca_certs"
            return f"cannot be reached: {_why(error.info)}{perhaps(cause, self._encrypted, 'https://')}"
        return f"refuses with {error.status_code} {error.error}: {_reason(error)}"

    def _unknown_or_refused(self, error: TransportError) -> StorageError:
        unsent = isinstance(error, NoConnection) and isinstance(error.info, NewConnectionError)
        refused = isinstance(error.status_code, int) and error.status_code < 500
        if unsent or refused:
            return self.unavailable(error)
        return UnknownOutcome(f"OpenSearch at {self.place} {self._words(error)}; the request may have been applied.")


def _why(cause: object) -> str:
    """Why no connection came about, in the system's words where it is the system's."""
    found, kind = _SYSTEM.search(str(cause)), type(cause).__name__
    number = int(found[1]) if found else cause.errno if isinstance(cause, OSError) and "SSL" not in kind else None
    return kind if number is None else os.strerror(number)


def _reason(error: TransportError) -> str:
    found = error.info.get("error") if isinstance(error.info, dict) else None
    return str(found.get("reason") if isinstance(found, dict) else found or "no reason given")[:300]
