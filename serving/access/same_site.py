"""Keeps pages of other sites from changing anything here through the browser of somebody who may."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from serving.problem import Problem

_OWN = (b"same-origin", b"none")
Given = Mapping[bytes, bytes]
"""A request's headers by name, in lower case; of several of one name the last."""


def must_be_same_site(headers: Given) -> None:
    """Check a request that changes something. Programs send neither header and pass.

    Raises:
        Problem: 403, a browser says that a page of another origin sends it.
    """
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None and site not in _OWN:
        raise _refusal(f"a {_text(site)} page")
    if origin is not None and not _is_own(origin, headers):
        raise _refusal(_text(origin))


def must_be_own(headers: Given) -> None:
    """Check a request that carries a session's cookie, and so comes from a browser, which says from where.

    Raises:
        Problem: 403, it does not say that a page of this service sends it.
    """
    must_be_same_site(headers)
    if headers.get(b"sec-fetch-site") != b"same-origin" and b"origin" not in headers:
        raise _refusal("whoever does not say from which page; programs send a key")


def _is_own(origin: bytes, headers: Given) -> bool:
    try:
        return urlsplit(origin).netloc == headers.get(b"host")
    except ValueError:
        return False


def _text(header: bytes) -> str:
    return header[:200].decode("ascii", "replace")


def _refusal(who: str) -> Problem:
    return Problem(403, "cross-site", f"Nothing is changed here for {who}; use the console, or a program of yours.")
