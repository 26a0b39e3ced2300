"""An endpoint type: what may be asked and what is answered, whoever implements it."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from serving.errors import EndpointRefused
from serving.golden import Golden
from serving.implementation import Implementation
from serving.json_schema.compatibility import Contract
from serving.json_schema.json_type import JsonType, json_type

Request = TypeVar("Request")
Response = TypeVar("Response")
Readers = ParamSpec("Readers")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class EndpointType(Generic[Request, Response]):
    """Declared once in a product's `endpoints.py`; the functions that answer it are decorated with `implementation`.

    Args:
        name: its place in the address: `POST /v1/<name>`.
        request, response: msgspec structs, dataclasses or pydantic models; their JSON is the body.
        unit: the request's field that says whom the answer is for; an experiment gives a unit the same variant always.
        deadline: within which there is an answer: of an implementation, of the fallback, the default, or a problem.
        golden: requests that every implementation must answer before it is taken.
        default: the answer when no implementation gave one in time.
        fallback: name of the implementation that answers where another one fails or takes more than three quarters of
            the deadline. It should read little, and something else than the others.
        last_good: how old the last good answer to the same request may be that is given where neither implementation
            nor fallback answers; None = no old answer is given.
        feature_share: of how many of the answers the features are logged that implementations say they have
            used; 1 = of all.
        version: of the contract. A change that breaks callers is declared beside the version that they ask.

    Attributes:
        title: what it is called everywhere: its name, from version 2 on with the version, `recommend@2`.
        requests, responses: request and response as JSON.
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
        fallback: str | None = None,
        last_good: timedelta | None = None,
        feature_share: float = 1.0,
        version: int = 1,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise EndpointRefused(f"{name!r} cannot be an endpoint type's name; use letters, digits and _.")
        if not isinstance(version, int) or version < 1:
            raise EndpointRefused(f"{name} has the version {version!r}; versions are 1, 2, 3 and so on.")
        self.name, self.version, self.title = name, version, name if version == 1 else f"{name}@{version}"
        if deadline <= timedelta(0):
            raise EndpointRefused(f"{self.title} has the deadline {deadline}; give it one above 0.")
        if last_good is not None and last_good <= timedelta(0):
            raise EndpointRefused(f"{self.title} gives last good answers of {last_good}; give it an age above 0.")
        if not 0 <= feature_share <= 1:
            raise EndpointRefused(f"{self.title} logs features of a share of {feature_share}; give one from 0 to 1.")
        self.feature_share = feature_share
        self.request, self.response = request, response
        self.requests: JsonType = json_type(self.title, request, "read")
        self.responses: JsonType = json_type(self.title, response, "written")
        self._check_unit(unit)
        self._check_default(default)
        self.unit, self.deadline, self.golden = unit, deadline, tuple(golden)
        self.default, self.fallback, self.last_good = default, fallback, last_good
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
            raise EndpointRefused(f"{self.title} cannot have an implementation {name!r}: no name, or there is one.")
        self.implementations[name] = Implementation(self.title, function)
        return function

    @property
    def contract(self) -> Contract:
        """What callers know of it."""
        return Contract(self.title, self.unit, self.requests.schema, self.responses.schema)

    def _check_unit(self, unit: str) -> None:
        fields = self.requests.fields
        if unit not in fields:
            known = ", ".join(fields) or "none"
            raise EndpointRefused(f"{self.title} has the unit {unit!r}, no field of its request; there are: {known}.")

    def _check_default(self, default: Response | None) -> None:
        if default is None:
            return
        if not isinstance(default, self.response):
            raise EndpointRefused(f"{self.title} has the default {default!r}, which is no {self.response.__name__}.")
        try:
            self.responses.encode(default)
        except (TypeError, ValueError) as error:
            raise EndpointRefused(f"{self.title} has a default that has no JSON: {error}.") from error
