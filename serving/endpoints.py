"""What is served now: one snapshot of endpoint types, swapped as one reference when code or storages change."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from schemas.errors import MillraceError
from serving.binding import Binding, State, Types, live_of
from serving.endpoint import Endpoint, Live
from serving.endpoint_type import EndpointType
from serving.errors import ExperimentRefused
from serving.experiment import Experiment
from serving.experiments.fitting import Fit, fitting
from serving.experiments.known import Known, declared
from serving.json_schema.compatibility import Contract, breaks
from serving.measurements import EndpointFacts, ImplementationFacts
from storage import Catalogue

Declared = Mapping[str, tuple[Contract, Collection[str]]]
"""By title, what callers know of an endpoint type, and the names of its implementations."""
CODE = "product.toml"
"""Who declares experiments in code, for their history."""
OWN = ""
"""The product that the service was started with, beside those that were deployed under their names."""


class Endpoints:
    """The loaded endpoint types, of one product or of several beside each other: whoever takes, refuses or drops names
    the product. All methods are for the event loop's thread, and none waits.

    An implementation whose storage does not exist is loaded and refuses requests, saying what exists, until the
    catalogue has it. But saved code never replaces an implementation that can answer by one that cannot.

    Attributes:
        current: title -> endpoint. A request takes what it needs from it once, so that it ends on what it began with.
        fit: which experiments are served, and why others are not.

    Args:
        experiments: declared in code, so that they must fit it.
        clock: seconds since 1970.

    Raises:
        EndpointRefused, ExperimentRefused: the first endpoint types cannot be served as they are declared.
    """

    def __init__(
        self,
        types: Types,
        experiments: Sequence[Experiment],
        catalogue: Catalogue,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._binding, self._clock = Binding(catalogue, clock), clock
        self._known = Known(declared(experiments, CODE), {})
        self._types: dict[str, Types] = {OWN: types}
        self._waiting: dict[str, Types] = {}
        self._problems: dict[str, tuple[str, ...]] = {}
        self._state = self._binding.states(types)
        self.current: Mapping[str, Endpoint] = {}
        self.current, self.fit = self._built(types, self._state, list(self._known.all))

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the newest code was not taken; empty when it was."""
        return tuple(problem for problems in self._problems.values() for problem in problems)

    def problems_of(self, product: str) -> tuple[str, ...]:
        """The same of one product."""
        return self._problems.get(product, ())

    @property
    def implementations(self) -> Mapping[str, Collection[str]]:
        """Of each endpoint type the implementations that are loaded."""
        return {title: tuple(endpoint.lives) for title, endpoint in self.current.items()}

    def assign(self, known: Known) -> None:
        """Serve these experiments from now on, as far as what is loaded fits them; `fit` says why others are not."""
        self._known = known
        self.current, self.fit = self._built(_all(self._types), self._state)

    def find(self, name: str) -> Endpoint | None:
        """The endpoint type of this title. A name without a version means version 1, always: what callers of it get
        never changes under them. `@1` means the same."""
        found = self.current.get(name)
        return self.current.get(name[:-2]) if found is None and name.endswith("@1") else found

    def objections(self, declared: Declared, product: str) -> list[str]:
        """Why a product's endpoint types could not be taken, as far as it shows before they are loaded: they break
        callers, another product has their names, or what runs an experiment would be gone."""
        others = {
            title: kind for name, types in self._types.items() if name != product for title, kind in _titles(types)
        }
        found = [
            f"{title}: another product answers it already; give yours another name."
            for title in declared
            if title in others
        ]
        found += [problem for contract, _ in declared.values() for problem in self._breaks(contract)]
        if not found:
            loaded = {title: tuple(kind.implementations) for title, kind in others.items()}
            try:
                fitting(
                    self._known, {**loaded, **{title: names for title, (_, names) in declared.items()}}, self._must()
                )
            except ExperimentRefused as error:
                found.append(str(error))
        return found

    def take(self, types: Types, product: str = OWN) -> Sequence[str]:
        """Serve these of a product from now on, or keep what is served and say why: they break callers, or cannot be
        served.

        Returns:
            the problems; empty if they were taken. If only a storage is missing they are taken when it appears.
        """
        mine = dict(_titles(types))
        broken = [problem for kind in mine.values() for problem in self._breaks(kind.contract)]
        if broken:
            return self.refuse(broken, product)
        wanted = {**self._types, product: types}
        try:
            state = self._binding.states(_all(wanted))
            built, fit = self._built(_all(wanted), state, self._must())
        except MillraceError as error:
            return self.refuse([str(error)], product)
        lives = [live for live in _lives(built) if live.implementation.endpoint in mine]
        worse = [f"{live.implementation.title}: {live.error}" for live in lives if self._would_break(live)]
        if worse:
            self.refuse(worse, product)
            self._waiting[product] = types
            return worse
        self._types, self._state, self.current, self.fit = wanted, state, built, fit
        return self.refuse((), product)

    def refuse(self, problems: Sequence[str], product: str = OWN) -> Sequence[str]:
        """Keep what is served, and say in `facts` why the newest code of a product is not."""
        self._waiting.pop(product, None)
        self._problems[product] = tuple(problems)
        return self._problems[product]

    def unable(self, product: str) -> list[str]:
        """Implementations of a product that cannot answer, as what they read is not there; a sentence each."""
        titles = [title for title, _ in _titles(self._types.get(product, ()))]
        lives = [live for title in titles for live in self.current[title].lives.values()]
        return [f"{live.implementation.title}: {live.error}" for live in lives if live.ask is None]

    def waits(self, product: str) -> bool:
        """Whether its newest code is to be taken as soon as a storage appears."""
        return product in self._waiting

    def drop(self, product: str) -> None:
        """Answer the endpoint types of this product no longer; experiments on them are put aside."""
        self.refuse((), product)
        self._types = {name: types for name, types in self._types.items() if name != product}
        self.current, self.fit = self._built(_all(self._types), self._state)

    def follow(self) -> None:
        """Bind again what the catalogue has changed: storages that appeared, names that stand for another version; and
        draw units anew where a period of Thompson sampling has ended."""
        for product, types in list(self._waiting.items()):
            self.take(types, product)
        every = _all(self._types)
        state = self._binding.states(every)
        if state != self._state or any(endpoint.outdated(self._clock()) for endpoint in self.current.values()):
            self._state = state
            self.current, self.fit = self._built(every, state)

    def facts(self) -> list[EndpointFacts]:
        """What is served, for the measurements."""
        return [
            EndpointFacts(
                name=name,
                deadline=endpoint.deadline,
                implementations=tuple(_facts(live) for live in endpoint.lives.values()),
                experiments=tuple(item.name for item in endpoint.experiments),
                ordinary=endpoint.ordinary,
                fallback=endpoint.type.fallback,
                last_good=endpoint.last_good,
                default=endpoint.default is not None,
                errors=self._concerning(name),
            )
            for name, endpoint in self.current.items()
        ]

    def obstacles(self) -> dict[str, str]:
        """Endpoint types that might give no answer now, and why."""
        return self._obstacles(list(self.current))

    def own_obstacles(self) -> dict[str, str]:
        """The same of the product that the service was started with: it is ready when there is none. What is deployed
        later takes no replica away from those who ask for something else."""
        return self._obstacles([title for title, _ in _titles(self._types[OWN])])

    def _obstacles(self, titles: Sequence[str]) -> dict[str, str]:
        found = {title: self.current[title].obstacle for title in titles}
        return {name: obstacle for name, obstacle in found.items() if obstacle is not None}

    def _must(self) -> list[str]:
        """Experiments that new code may not break."""
        shipped = [self._known.shipped(title) for title in self.fit.ordinary]
        return [*self.fit.names, *(item.name for item in shipped if item is not None)]

    def _breaks(self, contract: Contract) -> list[str]:
        """Why callers of the same version as it is served would fail; all in one sentence."""
        served = self.current.get(contract.title)
        found = [] if served is None else breaks(served.type.contract, contract)
        if served is None or not found:
            return []
        return [
            f"{contract.title}: this change breaks those who ask version {served.type.version}: {'; '.join(found)}. "
            "Leave it as it was and declare the new one beside it, with the next version; or start anew, if nobody "
            "asks it yet."
        ]

    def _built(self, types: Types, state: State, must: Collection[str] = ()) -> tuple[dict[str, Endpoint], Fit]:
        return self._binding.endpoints(types, state, self._known, self.current, must)

    def _would_break(self, live: Live) -> bool:
        before = live_of(live.implementation, self.current)
        return live.ask is None and before is not None and before.ask is not None

    def _concerning(self, name: str) -> tuple[str, ...]:
        """The problems of its product that begin with this endpoint type's name, and those that begin with none's."""
        others = [f"{other}{mark}" for other in self.current if other != name for mark in "/: "]
        mine = next((product for product, types in self._types.items() if name in dict(_titles(types))), OWN)
        return tuple(problem for problem in self._problems.get(mine, ()) if not problem.startswith(tuple(others)))


def _all(types: Mapping[str, Types]) -> Types:
    return [kind for mine in types.values() for kind in mine]


def _titles(types: Types) -> list[tuple[str, EndpointType[Any, Any]]]:
    return [(kind.title, kind) for kind in types]


def _lives(built: Mapping[str, Endpoint]) -> list[Live]:
    return [live for endpoint in built.values() for live in endpoint.lives.values()]


def _facts(live: Live) -> ImplementationFacts:
    item = live.implementation
    return ImplementationFacts(
        item.name, item.hash, live.loaded, live.reads, live.error, item.source, live.rotation.since, live.rotation.fault
    )
