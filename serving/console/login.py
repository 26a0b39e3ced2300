"""Where a reader shows a key and gets a session, and ends it. Without keys nobody needs one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from serving.access.access import CALLER, Access
from serving.access.audit import AuditLog
from serving.access.keys import Scope
from serving.access.sessions import COOKIE, LASTS, cookie_of
from serving.body import read_body
from serving.console.shell import AT, environment
from serving.page_headers import HEADERS

LIMIT = 4096
"""Bytes of the form."""
_BACK = re.compile(r"/(console|docs)(/[a-z0-9_-]{1,100})?")
"""Where a log-in may lead: never to another site."""


class Login:
    """The addresses `/console/login` and `/console/logout`."""

    def __init__(self, access: Access, audit: AuditLog) -> None:
        self._access, self._audit = access, audit
        self._template = environment().get_template("login.html")

    def routes(self) -> list[BaseRoute]:
        """Below where the console is mounted."""
        return [
            Route("/login", self.ask, methods=["GET"]),
            Route("/login", self.begin, methods=["POST"]),
            Route("/logout", self.end, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """The form."""
        back = _back(request.query_params)
        if not self._access.keyed or reader(request):
            return RedirectResponse(_root(request) + back, 303, headers=HEADERS)
        return self._form(request, back)

    async def begin(self, request: Request) -> Response:
        """A session for whoever shows a key that may see the console."""
        body = await read_body(request.receive, LIMIT)  # type: ignore[arg-type]
        given = dict(parse_qsl(body.decode("utf-8", "replace")))
        secret, back = given.get("key", "").strip().encode(), _back(given)
        caller = self._access.caller(secret)
        if caller is None:
            return self._form(request, back, "This key is not known here, is revoked or has expired.", 401)
        if Scope.ADMIN not in caller.scopes:
            self._audit.put(caller.name, caller.id, "log in", f"{AT}/login", 403)
            return self._form(request, back, f"The key {caller.name} has not the scope admin.", 403)
        cookie = self._access.log_in(secret)
        self._audit.put(caller.name, caller.id, "log in", f"{AT}/login", 303)
        answer = RedirectResponse(_root(request) + back, 303, headers=HEADERS)
        _set(answer, request, cookie, int(LASTS))
        return answer

    async def end(self, request: Request) -> Response:
        """No session any more."""
        cookie = cookie_of(request.headers.get("cookie", "").encode("latin-1"))
        if cookie is not None:
            self._access.sessions.end(cookie)
        answer = RedirectResponse(f"{_root(request)}{AT}/login", 303, headers=HEADERS)
        _set(answer, request, "", 0)
        return answer

    def _form(self, request: Request, back: str, wrong: str = "", status: int = 200) -> Response:
        html = self._template.render(base=_root(request) + AT, back=back, wrong=wrong)
        return HTMLResponse(html, status, headers=HEADERS)


def reader(request: Request) -> str:
    """The name of the key whose session asks; empty where there is none."""
    caller = request.scope.get(CALLER)
    return caller.name if caller is not None and caller.session is not None else ""


def _set(answer: Response, request: Request, value: str, age: int) -> None:
    answer.set_cookie(
        COOKIE.decode(),
        value,
        max_age=age,
        path=_root(request) or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _root(request: Request) -> str:
    """The address of the service, of which the console is a part."""
    return str(request.scope.get("root_path", "")).rstrip("/").removesuffix(AT)


def _back(given: Mapping[str, str]) -> str:
    back = given.get("to", "")
    return back if _BACK.fullmatch(back) else f"{AT}/flow"
