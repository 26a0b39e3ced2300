"""Endpoint types bound to the storages that there are now, with the experiments that fit them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from serving.endpoint import Endpoint, Live, Shadow
from serving.endpoint_type import EndpointType
from serving.errors import EndpointRefused
from serving.experiments.definition import Definition
from serving.experiments.fitting import Fit, fitting
from serving.experiments.known import Known
from serving.implementation import THREADS, Implementation
from serving.rotation import Rotation
from serving.threads import Threads
from storage import Catalogue
from storage.errors import StorageError

Types = Sequence[EndpointType[Any, Any]]
State = dict[str, tuple[str, ...] | str]
"""For each implementation the titles of its storages, or why they cannot be read."""
SHADOWS = Threads(4)
"""Where shadows' plain functions run: one that hangs there takes no thread from an answer."""


class Binding:
    """For the event loop's thread; nothing waits.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, catalogue: Catalogue, clock: Callable[[], float]) -> None:
        self._catalogue, self._clock = catalogue, clock
        self._rotations: dict[tuple[str, str], Rotation] = {}

    def states(self, types: Types) -> State:
        """What the implementations' storages are now."""
        return {item.title: self._reads(item) for kind in types for item in kind.implementations.values()}

    def endpoints(
        self, types: Types, state: State, known: Known, before: Mapping[str, Endpoint], must: Collection[str] = ()
    ) -> tuple[dict[str, Endpoint], Fit]:
        """The endpoints by their titles, with the experiments that fit them.

        Args:
            state: of these types.
            before: what is served; an implementation whose code is still the same keeps its error budget.
            must: experiments that have to fit.

        Raises:
            EndpointRefused: one of them cannot be served as it is declared, or two have the same name.
            ExperimentRefused: an experiment of `must` does not fit.
        """
        kinds: dict[str, EndpointType[Any, Any]] = {}
        for kind in types:
            if kinds.setdefault(kind.title, kind) is not kind:
                raise EndpointRefused(f"Two endpoint types are named {kind.title}; rename one, or give it a version.")
        fit = fitting(known, {title: kind.implementations for title, kind in kinds.items()}, must)
        built, now = dict[str, Endpoint](), self._clock()
        for title, kind in kinds.items():
            lives = {
                name: self._live(item, state[item.title], live_of(item, before))
                for name, item in kind.implementations.items()
            }
            shadows = [self._shadow(item, kind, state) for item in fit.shadows[title]]
            built[title] = Endpoint(kind, lives, fit.running[title], fit.ordinary.get(title), shadows, now)
        return built, fit

    def _reads(self, implementation: Implementation[Any, Any]) -> tuple[str, ...] | str:
        try:
            implementation.bind(self._catalogue)
            return implementation.titles(self._catalogue)
        except StorageError as error:
            return str(error)

    def _live(self, item: Implementation[Any, Any], reads: tuple[str, ...] | str, before: Live | None) -> Live:
        _ = item.code  # read now, while its file is what was loaded
        if before is not None and before.implementation.hash == item.hash:
            return self._bound(item, reads, before.loaded, before.rotation)
        return self._bound(item, reads, time.time(), Rotation(item.title))

    def _shadow(self, item: Definition, kind: EndpointType[Any, Any], state: State) -> Shadow:
        """Its own binding, error budget and threads: it takes nothing from answers that the same code gives."""
        [variant] = item.split
        implementation = kind.implementations[variant]
        title = f"{implementation.title} in the shadow {item.name}"
        rotation = self._rotations.setdefault((item.name, implementation.hash), Rotation(title))
        live = self._bound(implementation, state[implementation.title], time.time(), rotation, SHADOWS)
        return Shadow(item.name, item.layer, item.ranges, live)

    def _bound(
        self,
        item: Implementation[Any, Any],
        reads: tuple[str, ...] | str,
        loaded: float,
        rotation: Rotation,
        threads: Threads = THREADS,
    ) -> Live:
        if isinstance(reads, str):
            return Live(item, None, (), reads, loaded, rotation)
        return Live(item, item.bind(self._catalogue, threads), reads, None, loaded, rotation)


def live_of(item: Implementation[Any, Any], served: Mapping[str, Endpoint]) -> Live | None:
    """What is served under an implementation's name."""
    endpoint = served.get(item.endpoint)
    return None if endpoint is None else endpoint.lives.get(item.name)
