"""The ASGI application: routes behind a gate, and a short way past both for what is asked most."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from starlette.applications import Starlette

from serving.access import Access
from serving.access.gate import at_once
from serving.access.rules import ANSWER, opens
from serving.answering import Answering
from serving.head import Reply
from serving.problem import Headers

Answer = Callable[[bytes], Awaitable[Reply]]
"""Answers a request's body."""
LONGEST = 200
"""Bytes of a path that is remembered."""
_PATH = re.compile(rb"/v1/([\w@.-]+)(?:/([\w@.-]+))?")


class Application(Starlette):
    """Starlette, whose server may ask it past middleware and router, which would cost as much as the answer.

    Args:
        access: says who asks.
        answering: what `/v1/{type}` and `/v1/{type}/{implementation}` lead to; the routes have it too, for all others.
    """

    def __init__(self, access: Access, answering: Answering, **options: Any) -> None:
        super().__init__(**options)
        self._access, self._answering = access, answering

    def short_way(self, path: bytes, headers: Headers) -> Answer | None:
        """How a POST to this path, as it was sent, is answered, where its caller is known at once; None = middleware
        and router have to look at it."""
        asked = _asked(path) if len(path) <= LONGEST else None
        if asked is None or at_once(self._access, headers, ANSWER) is None:
            return None
        return partial(self._answering.answer, asked)


@lru_cache(maxsize=1024)
def _asked(path: bytes) -> Mapping[str, str] | None:
    """Type and implementation that a request is for, as the router has them; None = it may be for something else."""
    found = _PATH.fullmatch(path)
    if found is None or opens("POST", path.decode()) is not ANSWER:
        return None
    kind, implementation = found.groups()
    return {"type": kind.decode()} | ({} if implementation is None else {"implementation": implementation.decode()})
