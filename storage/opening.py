"""The technologies of one platform, each opened when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import TypeVar

from storage import technologies

S = TypeVar("S")


class Opening(Mapping[str, S]):
    """One side of each technology by name, opened once, when it is first asked for. May be shared by threads.

    Asking for one raises DriverMissing where its driver is not installed; the others can be used all the same.

    Args:
        addresses: by technology's name; those that are empty are left out.
    """

    def __init__(self, addresses: Mapping[str, str], open: Callable[[str, str], S]) -> None:
        self._addresses = technologies.offered(addresses)
        self._open = open
        self._opened: dict[str, S] = {}
        self._lock = Lock()

    def __getitem__(self, name: str) -> S:
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name, self._addresses[name])
            return self._opened[name]

    def __contains__(self, name: object) -> bool:
        return name in self._addresses

    def __iter__(self) -> Iterator[str]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)

    @property
    def opened(self) -> Mapping[str, S]:
        """Those that were asked for."""
        with self._lock:
            return dict(self._opened)
