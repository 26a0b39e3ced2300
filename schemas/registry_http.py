"""The registry over HTTP, as Confluent's clients expect it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from schemas.compatibility import CompatibilityLevel
from schemas.confluent import (
    INCOMPATIBLE,
    INVALID_LEVEL,
    INVALID_SCHEMA,
    INVALID_VERSION,
    LOG_UNAVAILABLE,
    MEDIA_TYPE,
    MISSING,
    NO_CONFIG,
    NO_VERSION,
)
from schemas.errors import IncompatibleSchema, MillraceError, SchemaError, UnknownSchema
from schemas.registry import Registry
from schemas.version import Version

LARGEST_BODY = 2_000_000

Body = dict[str, Any]


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def registry_app(registry: Registry) -> Starlette:
    """An app that serves this registry; its calls run in threads, because the log may block."""
    calls = _Calls(registry)

    def route(path: str, method: str, call: Callable[[Request, Body], Any]) -> Route:
        async def answer(request: Request) -> Response:
            body = await _body(request) if method in ("POST", "PUT") else {}
            return _json(await run_in_threadpool(call, request, body))

        return Route(path, answer, methods=[method])

    versions = "/subjects/{subject}/versions"
    routes = [
        route("/", "GET", lambda request, body: {}),
        route("/subjects", "GET", lambda request, body: registry.subjects()),
        route("/subjects/{subject}", "POST", calls.lookup),
        route("/subjects/{subject}", "DELETE", lambda request, body: registry.delete(_subject(request))),
        route(versions, "GET", calls.versions),
        route(versions, "POST", calls.register),
        route(versions + "/{version}", "GET", calls.version),
        route(versions + "/{version}", "DELETE", calls.delete),
        route(versions + "/{version}/schema", "GET", lambda r, b: json.loads(calls.found(r).schema)),
        route("/schemas", "GET", calls.every),
        route("/schemas/types", "GET", lambda request, body: ["AVRO"]),
        route("/schemas/ids/{id:int}", "GET", lambda r, b: {"schema": registry.schema(r.path_params["id"])}),
        route("/schemas/ids/{id:int}/schema", "GET", lambda r, b: json.loads(registry.schema(r.path_params["id"]))),
        route("/schemas/ids/{id:int}/subjects", "GET", lambda r, b: [v.subject for v in calls.places(r)]),
        route("/schemas/ids/{id:int}/versions", "GET", calls.places_as_json),
        route("/compatibility/subjects/{subject}/versions", "POST", calls.compatible),
        route("/compatibility/subjects/{subject}/versions/{version}", "POST", calls.compatible),
        route("/readers", "GET", lambda request, body: registry.readers()),
        route("/mode", "GET", lambda request, body: {"mode": "READWRITE"}),
        route("/mode/{subject}", "GET", lambda request, body: {"mode": "READWRITE"}),
        route("/config", "GET", lambda request, body: {"compatibilityLevel": registry.level().value}),
        route("/config", "PUT", calls.set_level),
        route("/config/{subject}", "GET", calls.level),
        route("/config/{subject}", "PUT", calls.set_level),
        route("/config/{subject}", "DELETE", calls.unset_level),
    ]
    handlers: dict[Any, Any] = {MillraceError: _failed, _Refused: _failed, HTTPException: _http}
    return Starlette(routes=routes, exception_handlers=handlers)


class _Calls:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def register(self, request: Request, body: Body) -> Body:
        return {"id": self.registry.register(_subject(request), _schema(body), _readers_count(request))}

    def lookup(self, request: Request, body: Body) -> Body:
        subject = _subject(request)
        found = self.registry.lookup(subject, _schema(body))
        return _as_json(found)

    def versions(self, request: Request, body: Body) -> list[int]:
        return [version.version for version in self.registry.versions(_subject(request))]

    def every(self, request: Request, body: Body) -> list[Body]:
        prefix = request.query_params.get("subjectPrefix", "")
        newest = request.query_params.get("latestOnly") == "true"
        return [_as_json(one) for one in self.registry.every(newest) if one.subject.startswith(prefix)]

    def version(self, request: Request, body: Body) -> Body:
        return _as_json(self.found(request))

    def found(self, request: Request) -> Version:
        versions = self.registry.versions(_subject(request))
        wanted = _version(request.path_params["version"])
        for version in versions[-1:] if wanted is None else versions:
            if wanted in (None, version.version):
                return version
        raise _Refused(NO_VERSION, f"Version {wanted} not found.")

    def delete(self, request: Request, body: Body) -> int:
        return self.registry.delete(_subject(request), self.found(request).version)[0]

    def places(self, request: Request) -> list[Version]:
        return self.registry.subjects_of(request.path_params["id"])

    def places_as_json(self, request: Request, body: Body) -> list[Body]:
        return [{"subject": version.subject, "version": version.version} for version in self.places(request)]

    def compatible(self, request: Request, body: Body) -> Body:
        subject, wanted = _subject(request), request.path_params.get("version")
        olds = None
        if wanted is not None:
            try:
                olds = [self.found(request).schema]
            except UnknownSchema:
                olds = []
        messages = self.registry.check(subject, _schema(body), olds, _readers_count(request))
        answer: Body = {"is_compatible": not messages}
        return answer | {"messages": messages} if request.query_params.get("verbose") == "true" else answer

    def level(self, request: Request, body: Body) -> Body:
        found = self.registry.own_level(_subject(request))
        if found is None and request.query_params.get("defaultToGlobal") != "true":
            raise _Refused(NO_CONFIG, f"Subject '{_subject(request)}' does not have a subject-level configuration.")
        return {"compatibilityLevel": (found or self.registry.level()).value}

    def set_level(self, request: Request, body: Body) -> Body:
        name = str(body.get("compatibility"))
        if name not in CompatibilityLevel.__members__:
            known = ", ".join(CompatibilityLevel.__members__)
            raise _Refused(INVALID_LEVEL, f"Invalid compatibility level {name!r}; there are {known}.")
        self.registry.set_level(CompatibilityLevel[name], request.path_params.get("subject"))
        return {"compatibility": name}

    def unset_level(self, request: Request, body: Body) -> Body:
        before = self.level(request, body)
        self.registry.set_level(None, _subject(request))
        return before


def _subject(request: Request) -> str:
    return str(request.path_params["subject"])


def _readers_count(request: Request) -> bool:
    """Whether a schema that readers cannot read is refused; `?readers=false` is ours, and no registry's else."""
    return request.query_params.get("readers") != "false"


def _version(text: str) -> int | None:
    """A version's number; None for the latest."""
    if text in ("latest", "-1"):
        return None
    if not (text.isdecimal() and len(text) <= 10) or not 1 <= int(text) < 2**31:
        raise _Refused(INVALID_VERSION, f"The specified version '{text}' is not a valid version id.")
    return int(text)


def _schema(body: Body) -> str:
    if body.get("schemaType", "AVRO") != "AVRO":
        raise _Refused(INVALID_SCHEMA, f"Only AVRO schemas are kept here, not {body['schemaType']}.")
    if body.get("references"):
        raise _Refused(INVALID_SCHEMA, "References to other subjects are not kept here; write the types out.")
    schema = body.get("schema")
    if not isinstance(schema, str):
        raise _Refused(INVALID_SCHEMA, "The body needs a field 'schema' with the schema as a text.")
    return schema


async def _body(request: Request) -> Body:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LARGEST_BODY:
            raise _Refused(41300, f"A body has at most {LARGEST_BODY:,} bytes.")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _Refused(42200, f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise _Refused(42200, "The body is a JSON object.")
    return body


def _as_json(version: Version) -> Body:
    return {"subject": version.subject, "version": version.version, "id": version.id, "schema": version.schema}


def _failed(request: Request, error: Exception) -> Response:
    code, message = LOG_UNAVAILABLE, str(error)
    if isinstance(error, _Refused):
        code = error.code
    elif isinstance(error, IncompatibleSchema):
        code = INCOMPATIBLE
    elif isinstance(error, UnknownSchema):
        code = next(code for code, missing in MISSING.items() if missing == error.missing)
    elif isinstance(error, SchemaError):
        code = INVALID_SCHEMA
    status = code if code < 1000 else code // 100
    return _json({"error_code": code, "message": message}, status)


def _http(request: Request, error: HTTPException) -> Response:
    return _json({"error_code": error.status_code, "message": str(error.detail)}, error.status_code)


def _json(value: Any, status: int = 200) -> Response:
    return JSONResponse(value, status, media_type=MEDIA_TYPE)
