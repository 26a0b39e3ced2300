"""Keeps pages of other sites from changing anything here through the browser of somebody who may."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from serving.problem import Problem

_OWN = ("same-origin", "none")


def must_be_same_site(headers: Mapping[str, str]) -> None:
    """Check a request that changes something. Programs send neither header and pass.

    Raises:
        Problem: 403, a browser says that a page of another origin sends it.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in _OWN:
        raise _refusal(f"a {site} page")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise _refusal(origin)


def _refusal(who: str) -> Problem:
    return Problem(403, "cross-site", f"Nothing is changed here for {who}; use the console, or a program of yours.")
