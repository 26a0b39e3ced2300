"""Stands before all routes: who asks, whether they may, how often; what a browser sends, and what it is told to forbid.

It decides by address and method alone (`rules.py`). Routes find who asks in the scope, under `CALLER`, and need not
look.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from serving.access import forms
from serving.access.access import CALLER, Access, Caller
from serving.access.audit import AuditLog, described
from serving.access.listening import names_here
from serving.access.refusals import Refusal, insufficient, no_key, rate_headers, too_many, unknown_key
from serving.access.rules import ADMIN, ANSWER, ASKING, EMIT, LOGIN, PAGES, SAFE, Scopes, opens
from serving.access.same_site import Given, must_be_own, must_be_same_site
from serving.access.sessions import cookie_of
from serving.access.signing import KEY
from serving.access.streams import until_over
from serving.body import Disconnected, Receive
from serving.page_headers import GUARDS
from serving.problem import Headers, Problem, Send

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_HEADERS = 100
_BROWSERS = frozenset({b"origin", b"sec-fetch-site"})
"""Headers that only browsers send, and that say from which page."""
Scope = MutableMapping[str, Any]
_GUARDS = tuple((name.encode(), value.encode()) for name, value in GUARDS.items())
_WRONG_HOST = (
    "This service listens on this machine alone and asks for no key, so it answers only to localhost and 127.0.0.1. "
    "Make a key (millrace keys create NAME --scope admin), or set allow_insecure_service."
)


class Gate:
    """ASGI middleware around the service's routes.

    Args:
        turned_away: counts those who are not known, may not or ask too often, by problem.
    """

    def __init__(
        self, app: ASGIApp, access: Access, audit: AuditLog, turned_away: MutableMapping[str, int] | None = None
    ) -> None:
        self._app: Any = app
        self._access, self._audit = access, audit
        self._turned_away = Counter[str]() if turned_away is None else turned_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        path = _path(scope)
        needed = opens(scope["method"], path)
        if needed is ANSWER or needed is EMIT:
            scope[CALLER] = caller = at_once(self._access, scope["headers"], needed)
            if caller is not None:
                await self._app(scope, receive, send)
                return
        await self._closely(scope, path, needed, receive, send)

    async def _closely(self, scope: Scope, path: str, needed: Scopes | None, receive: Receive, send: Send) -> None:
        given: Given = dict(scope["headers"])
        try:
            if len(scope["headers"]) > MOST_HEADERS:
                raise Problem(431, "too-many-headers", f"A request has {MOST_HEADERS} headers at most.")
            scope[CALLER] = caller = self._admitted(given, scope["method"], path, needed)
            if caller.bucket is not None:
                send = _adding(rate_headers(caller.bucket), send)
            if needed is ANSWER or needed is EMIT:
                await self._app(scope, receive, send)
            elif needed is None or scope["method"] in SAFE:
                await self._looked_at(scope, receive, send, caller)
            else:
                await self._changed(scope, path, given, receive, send, caller)
        except Problem as problem:
            if isinstance(problem, Refusal):
                self._turned_away[problem.kind] = self._turned_away.get(problem.kind, 0) + 1
            await _refused(scope, given, problem, send)
        except Disconnected:
            return

    def _admitted(self, given: Given, method: str, path: str, needed: Scopes | None) -> Caller:
        """Who asks.

        Raises:
            Problem: it is not known who, or they may not.
        """
        if not self._access.keyed:
            return self._anybody(given, method)
        header = given.get(b"authorization", b"")
        shown = header[:7].lower() == b"bearer "
        caller = self._access.of_header(header) if shown else self._reader(given, method, needed)
        if needed is None:
            return caller or NOBODY
        if caller is None:
            raise unknown_key() if shown else no_key(needed)
        if caller.scopes.isdisjoint(needed):
            if needed is ADMIN and method not in SAFE:
                self._audit.put(caller.name, caller.id, method, path, 403)
            raise insufficient(caller, needed)
        if caller.bucket is not None and (wait := caller.bucket.take(time.monotonic())):
            raise too_many(caller, caller.bucket, wait)
        return caller

    def _anybody(self, given: Given, method: str) -> Caller:
        """Whoever asks where there are no keys, but for pages of other sites in a browser of this machine."""
        if self._access.local and not names_here(given.get(b"host", b"localhost")):
            raise Problem(421, "wrong-host", _WRONG_HOST)
        if method not in SAFE:
            must_be_same_site(given)
        return self._access.anybody

    def _reader(self, given: Given, method: str, needed: Scopes | None) -> Caller | None:
        """Whose session the request carries. What changes something must come from a page of this very service."""
        cookie = cookie_of(given.get(b"cookie", b""))
        session = None if cookie is None else self._access.sessions.find(cookie)
        caller = None if session is None else self._access.of_session(session)
        if method not in SAFE:
            (must_be_same_site if caller is None or needed is None else must_be_own)(given)
        return caller

    async def _looked_at(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """Pages and listings, and where sessions begin."""
        send = _adding(_GUARDS, send)
        if caller.session is None:
            await self._app(scope, receive, send)
        else:
            async with until_over(caller.session, self._access.left(caller.session), receive, send) as (receive, send):
                await self._app(scope, receive, send)

    async def _changed(
        self, scope: Scope, path: str, given: Given, receive: Receive, send: Send, caller: Caller
    ) -> None:
        """What changes something, which is recorded whatever becomes of it."""
        status = 500
        form: Mapping[str, str] = {}
        sending = _adding(_GUARDS, send)

        async def seen(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await sending(message)

        try:
            if path.startswith(PAGES) and forms.is_form(given):
                form, receive = await forms.read(receive)
            if caller.session is not None:
                forms.must_carry_token(caller.session.token, given, form)
            KEY.set(caller.name if caller.id else "")
            await self._app(scope, receive, seen)
        except Problem as problem:
            status = problem.status
            raise
        finally:
            if path not in ASKING:
                action, target = described(scope["method"], path, scope.get("query_string", b""), form)
                self._audit.put(caller.name, caller.id, action, target, status)


NOBODY = Caller("nobody", b"", frozenset())
"""Whoever asks for what everybody may see."""


def at_once(access: Access, headers: Headers, needed: Scopes) -> Caller | None:
    """Who asks, where nothing has to be looked at closely, as of nearly all who ask and emit; else None."""
    caller = None
    if len(headers) > MOST_HEADERS:
        return None
    if access.keyed:
        for name, value in headers:
            if name == b"authorization":
                caller = access.seen(value)
        return None if caller is None or caller.bucket is not None or caller.scopes.isdisjoint(needed) else caller
    for name, value in headers:
        if name in _BROWSERS or (name == b"host" and access.local and not names_here(value)):
            return None
    return access.anybody


async def _refused(scope: Scope, given: Given, problem: Problem, send: Send) -> None:
    """A problem document; a reader of pages who has no session is led to where one begins."""
    page = scope["method"] == "GET" and b"text/html" in given.get(b"accept", b"")
    sending = _adding(_GUARDS, send)
    if problem.status != 401 or not page or b"authorization" in given:
        await problem.send(sending)
        return
    root = str(scope.get("root_path", "")).rstrip("/")
    location = f"{quote(root)}{LOGIN}?to={quote(_path(scope), safe='/')}".encode("ascii")
    own = [(b"location", location), (b"content-length", b"0"), (b"cache-control", b"no-store")]
    await sending({"type": "http.response.start", "status": 303, "headers": own})
    await sending({"type": "http.response.body", "body": b""})


def _path(scope: Scope) -> str:
    """The path below where the application is mounted, as the router has it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path


def _adding(headers: Headers, send: Send) -> Send:
    """Adds headers to an answer that has not got them."""

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            there = {name.lower() for name, _ in own}
            message = {**message, "headers": [*own, *(item for item in headers if item[0] not in there)]}
        await send(message)

    return sending
