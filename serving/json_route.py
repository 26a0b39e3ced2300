"""Addresses that take and give JSON: a body as a value of its type, an answer, or a problem document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schemas.repeated_key import repeated_key
from serving.body import Disconnected, check_nesting, read_body
from serving.problem import Problem

Kind = TypeVar("Kind")
Answer = Callable[[Request], Awaitable[Any]]
LIMIT = 256 * 1024
"""Bytes that a request may have."""


async def json_body(request: Request, kind: type[Kind]) -> Kind:
    """The body; one that is not there is an empty object.

    Raises:
        Problem: it is not JSON, not of this kind, or has a key twice.
    """
    body = await read_body(request.receive, LIMIT)  # type: ignore[arg-type]
    if not body.strip():
        return _decoded(b"{}", kind)
    check_nesting(body)
    return _decoded(body, kind)


def json_route(answer: Answer, status: int = 200) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers in JSON, and with a problem document where it raises one."""

    async def endpoint(request: Request) -> Response:
        try:
            return Response(msgspec.json.encode(await answer(request)), status, media_type="application/json")
        except Problem as problem:
            return _response(problem)
        except Disconnected:
            return Response(status_code=499)

    return endpoint


def json_value(value: Callable[[], Any]) -> Callable[[Request], Awaitable[Response]]:
    """The same for what is at hand, whatever the request says."""

    async def answer(request: Request) -> Any:
        return value()

    return json_route(answer)


async def _refused(request: Request, error: Exception) -> Response:
    """What routing refuses."""
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    headers = error.headers or {}
    allowed = headers.get("Allow")
    how = f"it takes {allowed}; see /docs." if allowed else "see /docs."
    problem = Problem(error.status_code, "no-such-address", f"{what} is nothing that can be asked; {how}")
    problem.headers = [(name.encode(), value.encode()) for name, value in headers.items()]
    return _response(problem)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of the service itself; the server logs it."""
    return _response(FAILED)


FAILED = Problem(500, "service-failed", "The service failed; its log says why.")
HANDLERS = {HTTPException: _refused, Exception: _failed}
"""Of the application, for what no route answers: problem documents like all others."""


def _response(problem: Problem) -> Response:
    """The problem as `Problem.send` sends it."""
    headers, body = problem.written()
    return Response(body, problem.status, {name.decode(): value.decode() for name, value in headers})


def _decoded(body: bytes, kind: type[Kind]) -> Kind:
    try:
        found = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(422, "wrong-request", f"{error}.", field=_field(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "no-json", f"The body is not JSON: {error}.") from error
    if (key := repeated_key(body.decode())) is not None:
        raise Problem(400, "repeated-key", f"The body has the key {key!r:.80} twice in one object.", field=key[:80])
    return found


def _field(message: str) -> str | None:
    """The field that msgspec's message names: "... `options` ...", "... - at `$.version`"."""
    path = message.rpartition("at `$.")[2] if "at `$." in message else message.partition("field `")[2]
    return path.partition("`")[0] or None
