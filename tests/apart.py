"""What processes that run the tests side by side take, each as a whole: so dear servers are started once.

`make test` gives each process the next group (pytest-xdist, `--dist loadgroup`), the longest first, so that none is
idle at the end. A group is a file; the files that need the same dear servers are one, and a slow test is one by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

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
LONG = (STORES, MOVIES, "tests/faults/", "tests/protocols/")
"""Groups that begin first, in this order, by the beginning of their names."""


def share(items: list[pytest.Item]) -> None:
    """Give each test its group, and put the long ones first. A group begins where its first test stands; browser tests
    stand last, see `conftest.py`."""
    groups = _of_files(items)
    for item in items:
        group = groups[_file(item)]
        if group != _file(item) or item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: ("browser" in item.path.parts, _rank(groups[_file(item)])))


def _of_files(items: Iterable[pytest.Item]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        file = _file(item)
        dear = [DEAR[name] for name in getattr(item, "fixturenames", ()) if name in DEAR]
        found[file] = STORES if file.startswith(ASKING) else next(iter(dear), found.get(file, file))
    return found


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _rank(group: str) -> int:
    return next((place for place, name in enumerate(LONG) if group.startswith(name)), len(LONG))
