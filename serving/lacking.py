"""Says in the log which implementations cannot answer, as what they read is not there, and what answers meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import NamedTuple

from serving.endpoint import Endpoint, Live
from storage import Catalogue, StorageError

LOGGER = logging.getLogger("millrace.service")


class Lack(NamedTuple):
    """A storage that cannot be read, as "ranking/popular", and why."""

    storage: str
    why: str


class Lacking:
    """For the event loop's thread; nothing waits.

    Args:
        learned: the storages that learners of the products write, as "ranking/popular".
    """

    def __init__(self, catalogue: Catalogue, learned: Callable[[], Collection[str]]) -> None:
        self._catalogue, self._learned = catalogue, learned
        self._said: set[tuple[str, str]] = set()

    def say(self, endpoints: Collection[Endpoint]) -> None:
        """Say of each implementation once, until its code changes, what it lacks. Nothing while a technology is away:
        what it holds is not known then."""
        new = [
            (endpoint, live)
            for endpoint in endpoints
            for live in endpoint.lives.values()
            if live.ask is None and (live.implementation.title, live.implementation.hash) not in self._said
        ]
        if not new or any(health.error for health in self._catalogue.health().values()):
            return
        there, learned = {item.storage for item in self._catalogue.storages()}, self._learned()
        for endpoint, live in new:
            item, lacks = live.implementation, self._lacks(live)
            self._said.add((item.title, item.hash))
            if all(lack.storage in learned and lack.storage not in there for lack in lacks):
                names = ", ".join(lack.storage for lack in lacks)
                LOGGER.info("%s waits for %s, which a learner makes; %s.", item.title, names, _meanwhile(endpoint))
            else:
                reasons = " ".join(lack.why for lack in lacks)
                LOGGER.warning("%s cannot answer, %s: %s", item.title, _meanwhile(endpoint), reasons)

    def _lacks(self, live: Live) -> list[Lack]:
        found = []
        for dependency in live.implementation.dependencies:
            try:
                dependency.reader(self._catalogue)
                dependency.title(self._catalogue)
            except StorageError as error:
                found.append(Lack(f"{dependency.kind.format}/{dependency.plain_name}", str(error)))
        return found


def _meanwhile(endpoint: Endpoint) -> str:
    if endpoint.fallback is not None and endpoint.fallback.ask is not None:
        return f"{endpoint.fallback.implementation.name} answers meanwhile"
    if endpoint.default is not None:
        return "the default answers meanwhile"
    return "who asks it is refused meanwhile"
