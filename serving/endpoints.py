"""What is served now: one snapshot of endpoint types, swapped as one reference when code or storages change."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import MillraceError
from serving.endpoint import Endpoint, Live
from serving.endpoint_type import EndpointType
from serving.errors import EndpointRefused, ExperimentRefused
from serving.experiment import Experiment
from serving.implementation import Implementation
from serving.measurements import EndpointFacts, ImplementationFacts
from storage import Catalogue
from storage.errors import StorageError

Types = Sequence[EndpointType[Any, Any]]
State = dict[str, tuple[str, ...] | str]
"""For each implementation the titles of its storages, or why they cannot be read."""


class Endpoints:
    """The loaded endpoint types. All methods are for the event loop's thread, and none waits.

    An implementation whose storage does not exist is loaded and refuses requests, saying what exists, until the
    catalogue has it. But saved code never replaces an implementation that can answer by one that cannot.

    Attributes:
        current: name -> endpoint. A request takes what it needs from it once, so that it ends on what it began with.
        problems: why the newest saved code was not taken; empty when it was.

    Raises:
        EndpointRefused, ExperimentRefused: the first endpoint types cannot be served as they are declared.
    """

    def __init__(self, types: Types, experiments: Sequence[Experiment], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._experiments = _by_endpoint(experiments)
        self._types = types
        self._waiting: Types | None = None
        self._state: State = {}
        self.problems: tuple[str, ...] = ()
        self.current: Mapping[str, Endpoint] = {}
        self._state = self._states(types)
        self.current = self._built(types, self._state)

    def take(self, types: Types) -> Sequence[str]:
        """Serve these from now on, or keep what is served and say why.

        Returns:
            the problems; empty if they were taken. If only a storage is missing they are taken when it appears.
        """
        try:
            state = self._states(types)
            built = self._built(types, state)
        except MillraceError as error:
            return self.refuse([str(error)])
        worse = [f"{live.implementation.title}: {live.error}" for live in _lives(built) if self._would_break(live)]
        if worse:
            self.refuse(worse)
            self._waiting = types
            return self.problems
        self._types, self._state, self.current = types, state, built
        return self.refuse(())

    def refuse(self, problems: Sequence[str]) -> Sequence[str]:
        """Keep what is served, and say in `facts` why the newest saved code is not."""
        self._waiting, self.problems = None, tuple(problems)
        return self.problems

    def follow(self) -> None:
        """Bind again what the catalogue has changed: storages that appeared, names that stand for another version."""
        if self._waiting is not None:
            self.take(self._waiting)
        state = self._states(self._types)
        if state != self._state:
            self._state, self.current = state, self._built(self._types, state)

    def facts(self) -> list[EndpointFacts]:
        """What is served, for the measurements."""
        return [
            EndpointFacts(
                name=name,
                deadline=endpoint.deadline,
                implementations=tuple(_facts(live) for live in endpoint.lives.values()),
                experiment=endpoint.experiment.name if endpoint.experiment else None,
                errors=self._concerning(name),
            )
            for name, endpoint in self.current.items()
        ]

    def reads(self) -> frozenset[str]:
        """Titles of the versions that implementations read now."""
        return frozenset(title for live in _lives(self.current) for title in live.reads)

    def obstacles(self) -> dict[str, str]:
        """Endpoint types that might give no answer now, and why: the service is ready when there is none."""
        found = {name: endpoint.obstacle for name, endpoint in self.current.items()}
        return {name: obstacle for name, obstacle in found.items() if obstacle is not None}

    def _states(self, types: Types) -> State:
        return {item.title: self._reads(item) for kind in types for item in kind.implementations.values()}

    def _reads(self, implementation: Implementation[Any, Any]) -> tuple[str, ...] | str:
        try:
            implementation.bind(self._catalogue)
            return implementation.titles(self._catalogue)
        except StorageError as error:
            return str(error)

    def _built(self, types: Types, state: State) -> dict[str, Endpoint]:
        built: dict[str, Endpoint] = {}
        for kind in dict.fromkeys(types):
            if kind.name in built:
                raise EndpointRefused(f"Two endpoint types are named {kind.name}; rename one of them.")
            lives = {name: self._live(item, state[item.title]) for name, item in kind.implementations.items()}
            built[kind.name] = Endpoint(kind, lives, self._experiments.get(kind.name))
        for experiment in self._experiments.values():
            if experiment.endpoint not in built:
                known = ", ".join(built) or "none"
                raise ExperimentRefused(f"Experiment {experiment.name} is on {experiment.endpoint}; there is {known}.")
        return built

    def _live(self, implementation: Implementation[Any, Any], state: tuple[str, ...] | str) -> Live:
        before = self._before(implementation)
        same = before is not None and before.implementation.hash == implementation.hash
        loaded = before.loaded if before is not None and same else time.time()
        if isinstance(state, str):
            return Live(implementation, None, (), state, loaded)
        return Live(implementation, implementation.bind(self._catalogue), state, None, loaded)

    def _before(self, implementation: Implementation[Any, Any]) -> Live | None:
        endpoint = self.current.get(implementation.endpoint)
        return None if endpoint is None else endpoint.lives.get(implementation.name)

    def _would_break(self, live: Live) -> bool:
        before = self._before(live.implementation)
        return live.ask is None and before is not None and before.ask is not None

    def _concerning(self, name: str) -> tuple[str, ...]:
        """The problems that begin with this endpoint type's name, and those that begin with none's."""
        others = [f"{other}{mark}" for other in self.current if other != name for mark in "/: "]
        return tuple(problem for problem in self.problems if not problem.startswith(tuple(others)))


def _by_endpoint(experiments: Sequence[Experiment]) -> dict[str, Experiment]:
    found: dict[str, Experiment] = {}
    for experiment in experiments:
        other = found.setdefault(experiment.endpoint, experiment)
        if other is not experiment:
            raise ExperimentRefused(f"{other.name} and {experiment.name} are both on {experiment.endpoint}; keep one.")
    return found


def _lives(built: Mapping[str, Endpoint]) -> list[Live]:
    return [live for endpoint in built.values() for live in endpoint.lives.values()]


def _facts(live: Live) -> ImplementationFacts:
    item = live.implementation
    return ImplementationFacts(item.name, item.hash, live.loaded, live.reads, live.error, item.source)
