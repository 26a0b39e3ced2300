"""Asks a server on loopback whether it is ready, again and again while it starts."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


def answered(address: str) -> bytes | None:
    """What it answers a GET of this address with, if that is 200; None otherwise. Blocks for some seconds at most.

    Not by httpx, which reads all certificates for each request of its own: more work than the server that starts.
    """
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=1.0)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        return answer.read() if answer.status == 200 else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
