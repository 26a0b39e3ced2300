"""The ASGI application: routes behind a gate, and a short way past the router for what is asked most."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

from serving.access import Access
from serving.access.access import CALLER
from serving.access.gate import at_once
from serving.access.rules import ANSWER, opens
from serving.answering import Answering
from serving.head import WHOLE_ANSWER
from serving.json_route import FAILED

if TYPE_CHECKING:
    from starlette.types import Scope

LOGGER = logging.getLogger("millrace.service")
_ENDPOINTS = "/v1/"


class Application(Starlette):
    """Starlette, but requests for endpoint types whose caller is known at once go straight to their application: the
    middleware and the router would cost as much as the answer.

    Args:
        access: says who asks.
        answering: what `/v1/{type}` and `/v1/{type}/{implementation}` lead to; the routes have it too, for all others.
    """

    def __init__(self, access: Access, answering: Answering, **options: Any) -> None:
        super().__init__(**options)
        self._access, self._answering = access, answering

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one request, or the lifespan."""
        asked = _asked(scope)
        caller = None if asked is None else at_once(self._access, scope["headers"], ANSWER)
        if caller is None:
            await super().__call__(scope, receive, send)
            return
        scope["path_params"], scope[CALLER] = asked, caller
        try:
            await self._answering.answer(scope, receive, send, scope.get("extensions", {}).get(WHOLE_ANSWER))
        except Exception:
            LOGGER.exception("An answer failed.")
            await FAILED.send(send)


def _asked(scope: Scope) -> Mapping[str, str] | None:
    """Type and implementation that a request is for, as the router would have them; None = it is for something else."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
        return None
    path: str = scope["path"]
    if not path.startswith(_ENDPOINTS) or opens("POST", path) is not ANSWER:
        return None
    kind, mark, implementation = path[len(_ENDPOINTS) :].partition("/")
    if not mark:
        return {"type": kind} if kind else None
    return {"type": kind, "implementation": implementation} if implementation and "/" not in implementation else None
