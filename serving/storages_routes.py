"""Storages over HTTP: listed, looked at, created, switched, rolled back, deleted. Errors are problem documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving.body import Disconnected, check_nesting, read_body
from serving.problem import Problem
from serving.same_site import must_be_same_site
from serving.storages import Storages, parsed
from serving.storages_document import Figures, document, listed
from storage import Alias

LIMIT = 256 * 1024
"""Bytes that a request may have: a schema is the largest part."""
KEYS = 20
"""Keys of a storage that are named as examples."""
Answer = Callable[[Request], Awaitable[Any]]


class New(msgspec.Struct, forbid_unknown_fields=True):
    """A storage to be created: its format's options, and the Avro schema of its rows where the format has one."""

    options: dict[str, Any] = msgspec.field(default_factory=dict)
    schema: Any = None
    made_by: str = "http"


class Switch(msgspec.Struct, forbid_unknown_fields=True):
    """Which version a name is to stand for."""

    version: int


class StoragesRoutes:
    """The addresses under `/storages`.

    Args:
        figures: what is measured of each version now, by title.
    """

    def __init__(self, storages: Storages, figures: Callable[[], Figures]) -> None:
        self._storages, self._figures = storages, figures

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        one = "/storages/{technology}/{format}/{name}"
        return [
            Route("/storages", _json(self.list), methods=["GET"]),
            Route(one, _json(self.show), methods=["GET"]),
            Route(one, _json(self.create, 201), methods=["PUT"]),
            Route(one, _json(self.delete), methods=["DELETE"]),
            Route(f"{one}/rows/{{key:path}}", _json(self.row), methods=["GET"]),
            Route(f"{one}/rollback", _json(self.rollback), methods=["POST"]),
            Route(f"{one}/switch", _json(self.switch), methods=["POST"]),
        ]

    async def list(self, request: Request) -> Any:
        """Every version of every storage."""
        return {"storages": listed(self._storages.catalogue, self._figures())}

    async def show(self, request: Request) -> Any:
        """One storage with its versions and positions."""
        item = self._storages.version(_place(request))
        keys = await self._storages.keys(item, KEYS)
        return {**document(self._storages.catalogue, item, self._figures()), "keys": keys}

    async def create(self, request: Request) -> Any:
        """A storage, empty."""
        new = await _body(request, New) if int(request.headers.get("content-length") or 1) else New()
        path = request.path_params
        made = await self._storages.create(
            path["technology"], path["format"], path["name"], new.options, new.schema, new.made_by
        )
        return {"storage": made.title, **asdict(made)}

    async def delete(self, request: Request) -> Any:
        """A storage, or one version of it, with all rows."""
        force = request.query_params.get("force", "") in ("1", "true", "yes")
        return {"deleted": await self._storages.delete(_place(request), force)}

    async def row(self, request: Request) -> Any:
        """One row by its key."""
        item, key = self._storages.version(_place(request)), request.path_params["key"]
        value = await self._storages.row(item, key, _size(request.query_params))
        if value is None:
            raise Problem(404, "unknown-row", f"{item.title} has no row {key!r}.")
        return {"storage": item.title, "key": key, "value": value}

    async def rollback(self, request: Request) -> Any:
        """The name stands for what it stood for before."""
        return _moved(request, await self._storages.rollback(_place(request)))

    async def switch(self, request: Request) -> Any:
        """The name stands for a version."""
        wanted = await _body(request, Switch)
        return _moved(request, await self._storages.switch(_place(request), wanted.version))


def _place(request: Request) -> Any:
    path = request.path_params
    return parsed(f"{path['technology']}/{path['format']}/{path['name']}")


def _size(query: Mapping[str, str]) -> int:
    text = query.get("size", "20")
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise Problem(422, "wrong-size", f"size must be a whole number from 1 to 10,000, not {text!r}.", field="size")
    return int(text)


def _moved(request: Request, alias: Alias) -> Any:
    return {"storage": _place(request).storage, **asdict(alias)}


async def _body(request: Request, kind: type[Any]) -> Any:
    body = await read_body(request.receive, LIMIT)  # type: ignore[arg-type]
    if not body.strip():
        return _decoded(b"{}", kind)
    check_nesting(body)
    return _decoded(body, kind)


def _decoded(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(422, "wrong-request", f"{error}.", field=_field(str(error))) from error
    except msgspec.DecodeError as error:
        raise Problem(400, "no-json", f"The body is not JSON: {error}.") from error


def _field(message: str) -> str | None:
    """The field that msgspec's message names: "... `options` ...", "... - at `$.version`"."""
    path = message.rpartition("at `$.")[2] if "at `$." in message else message.partition("field `")[2]
    return path.partition("`")[0] or None


def _json(answer: Answer, status: int = 200) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers in JSON, and with a problem document where it raises one."""

    async def endpoint(request: Request) -> Response:
        try:
            if request.method not in ("GET", "HEAD"):
                must_be_same_site(request.headers)
            return Response(msgspec.json.encode(await answer(request)), status, media_type="application/json")
        except Problem as problem:
            body = msgspec.json.encode(problem.document)
            return Response(body, problem.status, media_type="application/problem+json")
        except Disconnected:
            return Response(status_code=499)

    return endpoint
