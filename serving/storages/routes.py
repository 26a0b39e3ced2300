"""Storages over HTTP: listed, looked at, created, switched, rolled back, deleted. Errors are problem documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from serving.access.signing import signed
from serving.json_route import json_body, json_route
from serving.problem import Problem
from serving.storages.document import Figures, document, listed
from serving.storages.storages import Storages, parsed
from storage import Alias

LONGEST_MAKER = 100
"""Characters of who creates a storage."""
MOST = 10_000
"""Members or fields of a row that are answered at most."""
_SIZE = re.compile(r"[0-9]{1,5}")
KEYS = 20
"""Keys of a storage that are named as examples."""
FORCE = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


class New(msgspec.Struct, forbid_unknown_fields=True):
    """A storage to be created: its format's options, and the Avro schema of its rows where the format has one."""

    options: dict[str, Any] = msgspec.field(default_factory=dict)
    schema: Any = None
    made_by: str = "http"


class Switch(msgspec.Struct, forbid_unknown_fields=True):
    """Which version a name is to stand for."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


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
            Route("/storages", json_route(self.list), methods=["GET"]),
            Route(one, json_route(self.show), methods=["GET"]),
            Route(one, json_route(self.create, 201), methods=["PUT"]),
            Route(one, json_route(self.delete), methods=["DELETE"]),
            Route(f"{one}/rows/{{key:path}}", json_route(self.row), methods=["GET"]),
            Route(f"{one}/rollback", json_route(self.rollback), methods=["POST"]),
            Route(f"{one}/switch", json_route(self.switch), methods=["POST"]),
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
        new, path = await json_body(request, New), request.path_params
        made = await self._storages.create(
            path["technology"], path["format"], path["name"], new.options, new.schema, _maker(signed(new.made_by))
        )
        return {"storage": made.title, **asdict(made)}

    async def delete(self, request: Request) -> Any:
        """A storage, or one version of it, with all rows."""
        return {"deleted": await self._storages.delete(_place(request), _force(request.query_params))}

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
        wanted = await json_body(request, Switch)
        return _moved(request, await self._storages.switch(_place(request), wanted.version))


def _place(request: Request) -> Any:
    path = request.path_params
    return parsed(f"{path['technology']}/{path['format']}/{path['name']}")


def _size(query: Mapping[str, str]) -> int:
    text = query.get("size", "20")
    if not _SIZE.fullmatch(text) or not 1 <= int(text) <= MOST:
        detail = f"size must be a whole number from 1 to {MOST:,}, not {text[:40]!r}."
        raise Problem(422, "wrong-size", detail, field="size")
    return int(text)


def _maker(name: str) -> str:
    """Who creates a storage. It is shown on terminals and in the errors of others."""
    if len(name) > LONGEST_MAKER or not name.isprintable():
        detail = f"made_by has at most {LONGEST_MAKER} characters, all of them printable."
        raise Problem(422, "wrong-request", detail, field="made_by")
    return name


def _force(query: Mapping[str, str]) -> bool:
    said = query.get("force", "no").lower()
    if said not in FORCE:
        raise Problem(422, "wrong-force", f"force must be true or false, not {said!r}.", field="force")
    return FORCE[said]


def _moved(request: Request, alias: Alias) -> Any:
    return {"storage": _place(request).storage, **asdict(alias)}
