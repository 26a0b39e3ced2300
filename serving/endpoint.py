"""An endpoint type as it is served: decoder, encoded default, who answers for whom. Made when loaded, never changed."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from serving.assignment import bounds, bucket, propensities
from serving.body import check_nesting
from serving.endpoint_type import EndpointType
from serving.errors import EndpointRefused, ExperimentRefused
from serving.experiment import Experiment
from serving.implementation import Ask, Implementation
from serving.problem import Problem, unknown

Headers = tuple[tuple[bytes, bytes], ...]

DEFAULT = "default"
"""Named in place of an implementation when the endpoint type's default was the answer."""

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.+?)`")


@dataclass(frozen=True, slots=True)
class Live:
    """An implementation as loaded at `loaded` (seconds since the epoch). `ask` is None where it cannot answer, because
    of `error`; `reads` are the titles of its storages."""

    implementation: Implementation[Any, Any]
    ask: Ask[Any, Any] | None
    reads: tuple[str, ...]
    error: str | None
    loaded: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers: an implementation, as which variant, and with which probability. `headers` say so, and `instead`
    says that the default answered in its place."""

    live: Live
    experiment: str | None
    variant: str | None
    propensity: float
    headers: Headers
    instead: Headers

    @classmethod
    def of(
        cls, live: Live, experiment: str | None = None, variant: str | None = None, propensity: float = 1.0
    ) -> Choice:
        """Make one, with its headers encoded."""
        name = f"{live.implementation.name}@{live.implementation.hash}".encode()
        shared: Headers = ((b"content-type", b"application/json"),)
        if variant is not None:
            shared = (*shared, (b"millrace-variant", variant.encode()))
        headers = (*shared, (b"millrace-implementation", name))
        instead = (*shared, (b"millrace-implementation", DEFAULT.encode()), (b"millrace-fallback", DEFAULT.encode()))
        return cls(live, experiment, variant, propensity, headers, instead)


class Endpoint:
    """One endpoint type with the implementations that are loaded for it, and the experiment that runs on it.

    Attributes:
        deadline: in seconds.
        default: the default answer as JSON; None where there is none.

    Raises:
        EndpointRefused: it has no implementation.
        ExperimentRefused: the experiment's variants are not implementations of it.
    """

    def __init__(self, kind: EndpointType[Any, Any], lives: Mapping[str, Live], experiment: Experiment | None) -> None:
        if not lives:
            raise EndpointRefused(f"{kind.name} has no implementation; write one under @{kind.name}.implementation.")
        self.type, self.lives, self.experiment = kind, lives, experiment
        self.deadline = kind.deadline.total_seconds()
        self.default = None if kind.default is None else msgspec.json.encode(kind.default)
        self._decode = msgspec.json.Decoder(kind.request).decode
        self._encode = msgspec.json.Encoder().encode
        self._unit = attrgetter(kind.unit)
        self._pinned = {name: Choice.of(live) for name, live in lives.items()}
        self._choices, self._bounds, self._salt = [next(iter(self._pinned.values()))], [1], ""
        if experiment is not None:
            self._choices = list(_choices(kind, lives, experiment))
            self._bounds, self._salt = bounds(experiment.split), experiment.name

    def request(self, body: bytes) -> Any:
        """The request in a body.

        Raises:
            Problem: 400, naming the field.
        """
        check_nesting(body)
        try:
            return self._decode(body)
        except msgspec.ValidationError as error:
            raise _wrong_field(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, "not-json", f"The body is not JSON: {error}.") from None

    def unit(self, request: Any) -> str:
        """Whom a request is about, as text; what is not text becomes its JSON."""
        found = self._unit(request)
        return found if type(found) is str else self._encode(found).decode()

    def choice(self, unit: str) -> Choice:
        """Who answers for this unit: by the experiment where one runs, and else the first implementation."""
        if not self._salt:
            return self._choices[0]
        return self._choices[bisect_right(self._bounds, bucket(self._salt, unit))]

    def pinned(self, name: str) -> Choice:
        """The implementation of this name, outside any experiment.

        Raises:
            Problem: 404, listing those that are loaded.
        """
        found = self._pinned.get(name)
        if found is None:
            raise unknown("implementation", name, list(self._pinned))
        return found

    def encode(self, answer: Any) -> bytes:
        """An answer as JSON.

        Raises:
            TypeError: it is not of the type's response, or holds what JSON cannot.
        """
        if not isinstance(answer, self.type.response):
            raise TypeError(f"it answered {type(answer).__name__}, which is not {self.type.response.__name__}")
        return self._encode(answer)

    @property
    def obstacle(self) -> str | None:
        """Why a request might get no answer now: one that may be chosen to answer cannot. None = all well."""
        if self.default is not None:
            return None
        return next((choice.live.error for choice in self._choices if choice.live.ask is None), None)


def _choices(kind: EndpointType[Any, Any], lives: Mapping[str, Live], experiment: Experiment) -> list[Choice]:
    for variant in experiment.split:
        if variant not in lives:
            raise ExperimentRefused(
                f"Experiment {experiment.name} gives traffic to {variant}, no implementation of {kind.name}; "
                f"there are: {', '.join(lives)}."
            )
    parts = zip(experiment.split, propensities(experiment.split), strict=True)
    return [Choice.of(lives[variant], experiment.name, variant, share) for variant, share in parts]


def _wrong_field(message: str) -> Problem:
    """The decoder's message with the field that it names, such as `items[3]`."""
    place, missing = _PLACE.search(message), _MISSING.search(message)
    parts = [place.group(1) if place else "", missing.group(1) if missing else ""]
    field = ".".join(part for part in parts if part)
    detail = _PLACE.sub("", message)
    return Problem(400, "wrong-field", f"{field}: {detail}." if field else f"{detail}.", field=field or None)
