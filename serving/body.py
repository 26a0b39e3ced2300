"""A request's body: read up to a limit, and refused when it is nested deeper than anything that is asked for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from serving.problem import Problem

Receive = Callable[[], Awaitable[dict[str, Any]]]

NESTING = 32
"""Lists and objects inside each other at most."""

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]')


class Disconnected(Exception):
    """The client left before its request was complete; nobody waits for an answer."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        Problem: 413, it is longer than `limit` bytes; no more than that is ever held.
        Disconnected: the client left.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or len(body) > limit:
        parts, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if size > limit:
            raise Problem(413, "body-too-large", f"The body is longer than {limit:,} bytes; send less.", limit=limit)
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise Disconnected
    return body


def check_nesting(body: bytes, limit: int = NESTING) -> None:
    """Refuse JSON that opens more than `limit` lists and objects inside each other. Looks closer only at the suspect.

    Raises:
        Problem: 400.
    """
    if body.count(b"[") + body.count(b"{") <= limit:
        return
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(body):
        first = found.group()[:1]
        if first in b"[{":
            depth += 1
            if depth > limit:
                raise Problem(400, "nested-too-deep", f"The JSON is nested deeper than {limit} levels.", limit=limit)
        elif first in b"]}":
            depth -= 1
