"""Servers in containers serve what those that run as processes do: `make containers` runs the contracts on them too."""

from __future__ import annotations

import pytest

from storage.address import Address
from storage.technologies import opened
from storage.unit import Outcome
from storage.writes import Writes
from streams import Kafka, Topics
from tests.containers import servers
from tests.contracts.model import COUNTS, storage, unit


@pytest.fixture(autouse=True)
def engine() -> None:
    """Skips where no container engine answers: no test here is part of what a machine without one must pass."""
    if why := servers.engine():
        pytest.skip(why)


def test_a_kafka_in_a_container_has_topics() -> None:
    with servers.kafka() as address:
        topics = Topics(Kafka(address))
        topics.ensure("clicks", 3)
        assert topics.ends(["clicks"]) == {("clicks", partition): (0, 0) for partition in range(3)}
        topics.close()


@pytest.mark.parametrize("name", ["redis", "cassandra"])
def test_a_store_in_a_container_commits_under_its_fence(name: str) -> None:
    with getattr(servers, name)() as address:
        technology = opened(name, address)
        technology.declare(storage(COUNTS))
        zombie = technology.claim(unit(), "a")
        claim = technology.claim(unit(), "b")
        writes = Writes(sums={Address(COUNTS, "all"): {"x": 1}})
        assert technology.commit(zombie, None, 1, writes, None) is Outcome.FENCED
        assert technology.commit(claim, None, 1, writes, None) is Outcome.OK
        assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "all"): {"x": 1}}
        technology.close()
