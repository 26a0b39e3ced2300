"""What processes that run the tests side by side take, each as a whole: so dear servers are started once.

Each process gets the next group (pytest-xdist), the longest first, so that none is idle at the end. A group is a file;
the files that need the same dear servers are one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

STORES, MOVIES, SHOP = "stores", "movies", "shop"
DEAR = {
    "cassandra_url": STORES,
    "search_url": STORES,
    "redis_cluster_ports": STORES,
    "running_movies": MOVIES,
    "running_shop": SHOP,
}
"""Fixture -> the group of the files that use it."""
ASKING = ("tests/contracts/", "tests/faults/test_every_step.py")
"""Where stores are asked for by their names while a test runs."""
BROWSER = "tests/browser/"
"""Stand last in each process, see `conftest.py`, so both take a share of them."""
LONG = (STORES, MOVIES, "tests/faults/", "tests/protocols/")
"""Groups that begin first, in this order, by the beginning of their names."""


class Apart(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out groups. It is told the tests' names alone, so a group is found in the text of a test's file. (By marks,
    as `--dist loadgroup` has it, pytest-xdist 3.8 does not see groups under pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


def share(items: list[pytest.Item]) -> None:
    """Put the tests of long groups first, and those of the browser last."""
    items.sort(key=lambda item: _rank(group_of(item.nodeid.partition("::")[0])))


@cache
def group_of(file: str) -> str:
    """The group of a file with tests, which is named from the project's folder."""
    if file.startswith(ASKING):
        return STORES
    if file.startswith(BROWSER):
        return file
    text = Path(file).read_text("utf-8")
    return next((group for name, group in DEAR.items() if name in text), file)


def _rank(group: str) -> int:
    if group.startswith(BROWSER):
        return len(LONG) + 1
    return next((place for place, name in enumerate(LONG) if group.startswith(name)), len(LONG))
