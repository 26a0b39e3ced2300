"""Workers of deployed products: one supervised set for each, begun, replaced and ended as the topic says."""

from __future__ import annotations

import logging
import sys
import threading
from typing import NamedTuple

from learners import LearnerRefused, Supervisor
from learners.supervisor import LONGEST_PAUSE
from millrace.deployments.archive import SHOWN
from millrace.deployments.errors import DeploymentsUnavailable
from millrace.deployments.store import Records, Store

LOGGER = logging.getLogger("millrace.deployments")
LOOK = 0.25
"""Seconds between two looks at the topic."""
AGAIN = 5.0
"""Seconds after which a version that could not be had, or installed, is tried again."""


class Wanted(NamedTuple):
    """A version, and whether its workers count decisions too."""

    hash: str
    counts: bool


def wanted(records: Records) -> dict[str, Wanted]:
    """What is to be learned, by product. Of those that have goals one counts the decisions, for all."""
    learned = {name: item for name, item in records.items() if item.hash and (item.names.learners or item.counts)}
    counting = next((name for name in sorted(learned) if learned[name].counts), None)
    return {name: Wanted(item.hash, name == counting) for name, item in learned.items()}


class Crew:
    """The workers of one version of one product, in a thread that begins once the version is on this disk and the
    workers of the version before have ended."""

    def __init__(
        self, store: Store, name: str, wanted: Wanted, processes: int, member: str, before: Crew | None
    ) -> None:
        self.name, self.wanted = name, wanted
        self.hash = wanted.hash
        self._store, self._processes, self._member, self._before = store, processes, member, before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"millrace-crew-{name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin to end."""
        self._stop.set()
        if self._before is not None:
            self._before.stop()

    @property
    def stopped(self) -> bool:
        """Whether it has begun to end."""
        return self._stop.is_set()

    @property
    def ended(self) -> bool:
        """Whether all its workers have ended."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Until all its workers have ended."""
        self._thread.join()

    def _run(self) -> None:
        command = self._command()
        if self._before is not None:
            self._before.stop()
            self._before.wait()
            self._before = None
        if command is not None and not self._stop.is_set():
            LOGGER.info("%s %s is learned.", self.name, self.hash[:SHOWN])
            self._learn(command)

    def _learn(self, command: list[str]) -> None:
        """Storages that are in its way may be deleted, so what was refused is tried again; others go on."""
        while not self._stop.is_set():
            try:
                Supervisor(command, self._processes).run(self._stop)
            except LearnerRefused as error:
                LOGGER.error("%s %s cannot be learned yet: %s", self.name, self.hash[:SHOWN], error)
                self._stop.wait(LONGEST_PAUSE)

    def _command(self) -> list[str] | None:
        """A worker, once the version is here; None if that is not wanted any more."""
        said = ""
        while not self._stop.is_set():
            try:
                place = self._store.place(self.name, self.hash)
            except Exception as error:  # the index or Kafka may be away; what was learned before goes on
                if str(error) != said:
                    LOGGER.error("%s %s cannot be learned yet: %s", self.name, self.hash[:SHOWN], error)
                said = str(error)
                self._stop.wait(AGAIN)
                continue
            worker = [sys.executable, "-m", "millrace", "worker", str(place.folder), f"{self._member}-{{number}}"]
            own = [] if place.packages is None else ["--packages", str(place.packages)]
            return [*worker, "--deployed", *own, *(["--counting"] if self.wanted.counts else [])]
        return None


class Crews:
    """Follows what is deployed, for one thread.

    Args:
        processes: workers for each product.
        member: beginning of the workers' lasting names in their product's consumer group.
    """

    def __init__(self, store: Store, processes: int, member: str) -> None:
        self._store, self._processes, self._member = store, processes, member
        self._crews: dict[str, Crew] = {}

    def run(self, stop: threading.Event) -> None:
        """Keep workers of what is deployed running until `stop` is set, then end them. Blocks."""
        records, away = self._store.begin(), False
        try:
            while not stop.is_set():
                self._follow(records)
                stop.wait(LOOK)
                try:
                    records, away = self._store.records(), False
                except DeploymentsUnavailable as error:
                    if not away:
                        LOGGER.warning("What is learned stays as it is: %s", error)
                    away = True
        finally:
            for crew in self._crews.values():
                crew.stop()
            for crew in self._crews.values():
                crew.wait()

    def _follow(self, records: Records) -> None:
        now = wanted(records)
        for name, crew in list(self._crews.items()):
            if name not in now and not crew.stopped:
                LOGGER.info("%s is not learned any more; its storages stay.", name)
                crew.stop()
            elif name not in now and crew.ended:
                del self._crews[name]
        for name, item in now.items():
            before = self._crews.get(name)
            if before is None or before.stopped or before.wanted != item:
                self._crews[name] = Crew(self._store, name, item, self._processes, self._member, before)
