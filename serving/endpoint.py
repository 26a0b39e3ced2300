"""An endpoint type as it is served: decoder, encoded default, who answers for whom. Made when loaded, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, NamedTuple

from serving.assignment import Range, weights
from serving.body import check_nesting
from serving.endpoint_type import EndpointType
from serving.errors import EndpointRefused
from serving.experiments.definition import Definition, Drawn
from serving.head import Lines, line
from serving.implementation import Ask, Implementation
from serving.problem import unknown
from serving.rotation import Rotation
from serving.traffic import Traffic

DEFAULT = "default"
"""Named in place of an implementation when the endpoint type's default was the answer."""
LAST_GOOD = "last-good"
"""Named in place of an implementation when it was the last good answer to the same request."""
FIRST = 0.75
"""Part of the deadline that an implementation has where a fallback is declared; the fallback has what is left."""


@dataclass(frozen=True, slots=True)
class Live:
    """An implementation as loaded at `loaded` (seconds since the epoch). `ask` is None where it cannot answer, because
    of `error`; `reads` are the titles of its storages; `rotation` stays the same as long as its code does."""

    implementation: Implementation[Any, Any]
    ask: Ask[Any, Any] | None
    reads: tuple[str, ...]
    error: str | None
    loaded: float
    rotation: Rotation


@dataclass(frozen=True, slots=True)
class Shadow:
    """An implementation that answers copies of requests, for the units that own these ranges of its layer."""

    name: str
    layer: str
    ranges: tuple[Range, ...]
    live: Live


class By(NamedTuple):
    """Who gave an answer: name and hash for the log, the titles of its storages, and the lines that say it."""

    name: str
    hash: str
    reads: tuple[str, ...]
    lines: Lines


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers: an implementation, as which variant, with which probability, and within how many seconds. `weight`
    is that of `serving.assignment.weights`, None where the experiment's split stays as it is. `spared` says that
    something else can answer while it is out of rotation; one that is asked by its name is never spared.

    `itself`, `fallback` and `default` are what an answer says of its origin: where the implementation gave it, where
    the fallback did and where the default had to.
    """

    live: Live
    spared: bool
    patience: float
    experiment: str | None
    variant: str | None
    propensity: float
    weight: int | None
    itself: By
    fallback: By | None
    default: By


class Endpoint:
    """One endpoint type with the implementations that are loaded for it, and the experiments that run on it.

    Args:
        experiments: of one layer; each variant is one of the implementations.
        ordinary: the implementation that answers for units in no experiment; None = the first.
        shadows: they answer copies of requests.
        at: the moment at which it is made, in seconds since 1970, for experiments whose split changes.

    Attributes:
        deadline: in seconds.
        ordinary: name of the implementation that answers for units in no experiment.
        default: the default answer as JSON; None where there is none.
        last_good: how old a last good answer may be, in seconds; None where none is given.
        fallback: what answers where another implementation does not; None where none is declared.

    Raises:
        EndpointRefused: it has no implementation, or not the one that is declared as its fallback.
    """

    def __init__(
        self,
        kind: EndpointType[Any, Any],
        lives: Mapping[str, Live],
        experiments: Sequence[Definition] = (),
        ordinary: str | None = None,
        shadows: Sequence[Shadow] = (),
        at: float = 0.0,
    ) -> None:
        if not lives:
            raise EndpointRefused(f"{kind.title} has no implementation; write one under @{kind.name}.implementation.")
        if kind.fallback is not None and kind.fallback not in lives:
            known = ", ".join(lives)
            raise EndpointRefused(
                f"{kind.title} has the fallback {kind.fallback!r}, no implementation; it has {known}."
            )
        self.type, self.lives, self.experiments, self.shadows = kind, lives, tuple(experiments), tuple(shadows)
        self.deadline = kind.deadline.total_seconds()
        self.default = None if kind.default is None else kind.responses.encode(kind.default)
        self.last_good = None if kind.last_good is None else kind.last_good.total_seconds()
        self.fallback = None if kind.fallback is None else lives[kind.fallback]
        self._decode, self._encode = kind.requests.decode, kind.responses.encode
        self._unit = attrgetter(kind.unit)
        self._pinned = {name: replace(self._choice(live), spared=False) for name, live in lives.items()}
        self.ordinary = ordinary or next(iter(lives))
        self._draws = [item.drawn(at) for item in self.experiments]
        pairs = list(zip(self.experiments, self._draws, strict=True))
        self._traffic = Traffic(
            self._choice(lives[self.ordinary]),
            [(item, drawn, self._variants(item, drawn)) for item, drawn in pairs],
        )
        self.choice = self._traffic.of
        """Who answers for a unit: by the experiment that it is in, and else the ordinary implementation."""

    def outdated(self, at: float) -> bool:
        """Whether units are drawn otherwise at this moment, in seconds since 1970, than when it was made."""
        return any(
            item.period_s and item.drawn(at).salt != drawn.salt
            for item, drawn in zip(self.experiments, self._draws, strict=True)
        )

    def request(self, body: bytes) -> Any:
        """The request in a body.

        Raises:
            Problem: 400, naming the field.
        """
        check_nesting(body)
        try:
            return self._decode(body)
        except Exception as error:
            raise self.type.requests.problem(error) from None

    def unit(self, request: Any) -> str:
        """Whom a request is about, as text; what is not text becomes its JSON."""
        found = self._unit(request)
        return found if type(found) is str else self.type.requests.text(found).decode()

    def pinned(self, name: str) -> Choice:
        """The implementation of this name, outside any experiment.

        Raises:
            Problem: 404, listing those that are loaded.
        """
        found = self._pinned.get(name)
        if found is None:
            raise unknown("implementation", name, list(self._pinned))
        return found

    def again(self, choice: Choice, hash: str) -> By:
        """What the last good answer says of its origin, which code of this hash had given."""
        named = _named(f"{LAST_GOOD}@{hash}") + _instead(LAST_GOOD)
        return By(LAST_GOOD, hash, (), _shared(choice.variant) + named)

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
        """Why a request might get no answer now: one that may be chosen to answer cannot, and nothing stands in for it.
        None = all well."""
        if self.default is not None or (self.fallback is not None and self.fallback.ask is not None):
            return None
        return next((choice.live.error for choice in self._traffic.everybody if choice.live.ask is None), None)

    def _choice(
        self,
        live: Live,
        experiment: str | None = None,
        variant: str | None = None,
        propensity: float = 1.0,
        weight: int | None = None,
    ) -> Choice:
        shared = _shared(variant)
        other = self.fallback if self.fallback is not live else None
        default = By(DEFAULT, "", (), shared + _named(DEFAULT) + _instead(DEFAULT))
        patience = self.deadline if other is None else self.deadline * FIRST
        fallback = None if other is None else _by(other, shared, instead=True)
        spared = self.default is not None or other is not None
        by = _by(live, shared)
        return Choice(live, spared, patience, experiment, variant, propensity, weight, by, fallback, default)

    def _variants(self, experiment: Definition, drawn: Drawn) -> list[Choice]:
        shares = drawn.propensities
        beside = weights(shares) if experiment.period_s else [None] * len(shares)
        return [
            self._choice(self.lives[variant], experiment.name, variant, share, weight)
            for variant, share, weight in zip(experiment.split, shares, beside, strict=True)
        ]


def _shared(variant: str | None) -> Lines:
    """What every answer says, whoever gave it."""
    shared = line("content-type", "application/json")
    return shared if variant is None else shared + line("millrace-variant", variant)


def _by(live: Live, shared: Lines, instead: bool = False) -> By:
    who = live.implementation
    lines = shared + _named(f"{who.name}@{who.hash}")
    return By(who.name, who.hash, live.reads, lines + _instead(who.name) if instead else lines)


def _named(name: str) -> Lines:
    return line("millrace-implementation", name)


def _instead(name: str) -> Lines:
    return line("millrace-fallback", name)
