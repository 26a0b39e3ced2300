"""The nodes of a Redis Cluster as learners write to them: each by a plain connection of its own.

A node that has given a slot away refuses, which changes nothing; the cluster's map is asked for again, and the caller
tries again as after any refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from storage.errors import StorageUnavailable, UnknownOutcome
from storage.redis.redis import Redis
from storage.redis.slots import Slots, seeds


class Nodes:
    """Who has which keys. Thread-safe.

    Args:
        address: the cluster's url.
        timeout: seconds without an answer after which a call gives up.
    """

    def __init__(self, address: str, timeout: float) -> None:
        self._seeds, self._timeout = seeds(address), timeout
        self._lock = RLock()
        self._opened: dict[str, Redis] = {}
        self._slots: Slots | None = None
        self._closed = False

    @contextmanager
    def at(self, key: str) -> Iterator[Redis]:
        """The node that has a key now, as far as is known."""
        with self.learning():
            yield self.node(key)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Look at the map again after a failure: something may have moved."""
        try:
            yield
        except (StorageUnavailable, UnknownOutcome) as error:
            with self._lock:
                if self._slots is not None and not self._slots.learn(error.__cause__):
                    self._slots = None
            raise

    def node(self, key: str) -> Redis:
        """The node that has a key."""
        with self._lock:
            return self._open(self.url(key))

    def every(self) -> list[Redis]:
        """Each node that has keys now, as far as is known."""
        with self._lock:
            return [self._open(url) for url in self._map().nodes()]

    def url(self, key: str) -> str:
        """The url of the node that has a key now."""
        with self._lock:
            url = self._map().node(key)
            if url is None:
                self._slots = None
                raise StorageUnavailable("No node of the Redis Cluster serves this slot now.")
            return url

    def close(self) -> None:
        """End every connection that nobody uses now."""
        with self._lock:
            self._closed = True
            for node in self._opened.values():
                node.close()

    def _map(self) -> Slots:
        if self._closed:
            raise StorageUnavailable("The Redis Cluster cannot be reached: it is closed here.")
        if self._slots is None:
            self._slots = self._mapped()
        return self._slots

    def _mapped(self) -> Slots:
        problem = StorageUnavailable("The url of the Redis Cluster names no node.")
        for url in dict.fromkeys([*self._opened, *self._seeds]):
            try:
                return Slots(self._open(url).slots(), url)
            except StorageUnavailable as error:
                problem = error
            except UnknownOutcome as error:
                problem = StorageUnavailable(str(error))
        raise problem

    def _open(self, url: str) -> Redis:
        found = self._opened.get(url)
        if found is None:
            found = self._opened[url] = Redis(url, self._timeout)
        return found
