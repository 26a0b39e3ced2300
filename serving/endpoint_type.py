"""An endpoint type: what may be asked and what is answered, whoever implements it."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import msgspec

from serving.errors import EndpointRefused
from serving.golden import Golden
from serving.implementation import Implementation

Request = TypeVar("Request")
Response = TypeVar("Response")
Readers = ParamSpec("Readers")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class EndpointType(Generic[Request, Response]):
    """Declared once in a product's `endpoints.py`; the functions that answer it are decorated with `implementation`.

    Args:
        name: its place in the address: `POST /v1/<name>`.
        request, response: msgspec structs, or dataclasses; their JSON is the body of request and answer.
        unit: the request's field that says whom the answer is for; an experiment gives a unit the same variant always.
        deadline: after which the default is answered, or a problem where there is none.
        golden: requests that every implementation must answer before it is taken.
        default: the answer when no implementation gave one in time.
        version: for people; a changed request or response is a new endpoint type's name.

    Attributes:
        implementations: name -> implementation, in the order of the file. The first answers where no experiment runs.

    Raises:
        EndpointRefused: a name that fits no address, a type that has no JSON, or a unit that is no field.
    """

    def __init__(
        self,
        name: str,
        request: type[Request],
        response: type[Response],
        *,
        unit: str,
        deadline: timedelta = timedelta(seconds=1),
        golden: Sequence[Golden[Request, Response]] = (),
        default: Response | None = None,
        version: int = 1,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise EndpointRefused(f"{name!r} cannot be an endpoint type's name; use letters, digits and _.")
        if deadline <= timedelta(0):
            raise EndpointRefused(f"{name} has the deadline {deadline}; give it one above 0.")
        fields = _fields(name, request)
        _fields(name, response)
        if unit not in fields:
            raise EndpointRefused(f"{name} has the unit {unit!r}, no field of its request; there are: {_list(fields)}.")
        if default is not None and not isinstance(default, response):
            raise EndpointRefused(f"{name} has the default {default!r}, which is no {response.__name__}.")
        try:
            msgspec.json.encode(default)
        except (TypeError, ValueError) as error:
            raise EndpointRefused(f"{name} has a default that has no JSON: {error}.") from error
        self.name, self.request, self.response, self.version = name, request, response, version
        self.unit, self.deadline, self.golden, self.default = unit, deadline, tuple(golden), default
        self.implementations: dict[str, Implementation[Request, Response]] = {}

    @overload
    def implementation(
        self, function: Callable[Concatenate[Request, Readers], Coroutine[Any, Any, Response]]
    ) -> Callable[Concatenate[Request, Readers], Coroutine[Any, Any, Response]]: ...
    @overload
    def implementation(
        self, function: Callable[Concatenate[Request, Readers], Response]
    ) -> Callable[Concatenate[Request, Readers], Response]: ...
    def implementation(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: this function answers the endpoint type, under its own name. The function stays as it is.

        The first parameter is the request; each further one is a storage's reader, named as the storage.
        """
        name = getattr(function, "__name__", "")
        if not _NAME.fullmatch(name) or name in self.implementations:
            raise EndpointRefused(f"{self.name} cannot have an implementation {name!r}: no name, or there is one.")
        self.implementations[name] = Implementation(self.name, function)
        return function


def _fields(name: str, kind: type[Any]) -> list[str]:
    """Names of the fields of a request or response, as Python has them."""
    try:
        found = msgspec.inspect.type_info(kind)
    except (TypeError, NameError) as error:
        raise EndpointRefused(f"{name}: {getattr(kind, '__name__', kind)} has no JSON: {error}.") from error
    if not isinstance(found, msgspec.inspect.StructType | msgspec.inspect.DataclassType):
        raise EndpointRefused(f"{name}: {kind} is no msgspec struct and no dataclass.")
    return [field.name for field in found.fields]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
