"""A member joins its group, shares it and leaves it, by either protocol."""

from __future__ import annotations

import time

import pytest

from schemas import Codec, EventType, RegistryClient
from streams import Consumer, Kafka, Producer, StreamError
from streams.assignments import assignments
from streams.membership import PROTOCOLS
from tests.streams.conftest import Fold, Positions, Starting, owns, sent


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_member_leaves_another_has_before_any_session_ends(
    producer: Producer, clicks: EventType, start: Starting, protocol: str
) -> None:
    # Given two members that share a topic, while events arrive
    fold, last = Fold(), 0
    first, second = Positions(fold.positions), Positions(fold.positions)
    one, two = start(first, "one", protocol=protocol), start(second, "two", protocol=protocol)
    until = time.monotonic() + 60
    while not (len(first.owned) == len(second.owned) == 2) and time.monotonic() < until:
        sent(producer, clicks, range(last, last + 10))
        last += 10
        for consumer in (one, two):
            fold.take(consumer.poll(0.02, 1_000))
    # When one leaves
    one.leave()
    one.close()
    # Then the other has all of it before a dead member's session would have ended (6 and 45 s), and no event is lost
    begun = time.monotonic()
    while len(second.owned) < 4 and time.monotonic() < begun + 60:
        fold.take(two.poll(0.02, 1_000))
    assert time.monotonic() - begun < (4 if protocol == "classic" else 20)
    assert {what for what, _ in first.told + second.told} <= {"assigned", "revoked"}
    while len(fold.numbers) < last:
        fold.take(two.poll(0.02, 1_000))
    assert sorted(fold.numbers) == list(range(last))


def test_a_member_that_left_comes_back_at_once(clicks: EventType, start: Starting) -> None:
    first, again = Positions(), Positions()
    one = start(first, "one")
    owns(one, first, 4)
    one.leave()
    one.close()
    owns(start(again, "one"), again, 4, polls=60)


def test_a_member_ends_that_closes_before_it_has_looked_at_what_the_group_gave_it(
    cluster: Kafka, group: str, clicks: EventType, start: Starting
) -> None:
    # Given a member that the group has given all partitions, and that has not polled
    owner = Positions()
    one = start(owner)
    until = time.monotonic() + 60
    while len(assignments(cluster, group)) < 4 and time.monotonic() < until:
        pass
    # When it closes
    one.close()
    # Then that ends, and its owner was given nothing to claim
    assert "assigned" not in {what for what, _ in owner.told}


def test_options_that_the_newer_protocol_leaves_to_the_broker_are_refused_by_name(
    cluster: Kafka, registry: RegistryClient, clicks: EventType
) -> None:
    kafka = Kafka(cluster.bootstrap, {"session.timeout.ms": "9000"})
    with pytest.raises(StreamError, match=r"leaves session.timeout.ms to the broker.*kafka_options"):
        Consumer(kafka, Codec(registry), "group", "one", {clicks.topic: clicks}, Positions(), protocol="consumer")
    with pytest.raises(StreamError, match="known are classic, consumer"):
        Consumer(cluster, Codec(registry), "group", "one", {clicks.topic: clicks}, Positions(), protocol="newest")
