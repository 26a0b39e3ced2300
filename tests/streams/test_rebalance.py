"""Partitions move between members without an event lost, as long as the owners keep the positions."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import Any

import pytest

from schemas import Codec, EventType, RegistryClient
from streams import Consumer, Kafka, MemberFenced, Producer, idle
from tests.streams.conftest import CLICK, Fold, Partition, Positions, Starting, owns, polled, sent


def test_what_one_member_gives_up_the_other_reads_on(producer: Producer, clicks: EventType, start: Starting) -> None:
    # Given two owners that keep their positions in one place, and a member that reads everything
    fold = Fold()
    first, second = Positions(fold.positions), Positions(fold.positions)
    one = start(first, "one")
    sent(producer, clicks, range(200))
    fold.take(polled(one, 200))
    # When a second member joins while events go on arriving
    two = start(second, "two")
    last = 200
    while len(second.owned) < 2 and last < 20_000:
        sent(producer, clicks, range(last, last + 20))
        last += 20
        for consumer in (one, two):
            fold.take(consumer.poll(0.02, 1_000))
    # Then each has half, nobody was told of a loss, and every event was handed out once (Fold checks the order)
    assert (len(first.owned), len(second.owned)) == (2, 2)
    assert first.owned.isdisjoint(second.owned)
    while len(fold.numbers) < last:
        for consumer in (one, two):
            fold.take(consumer.poll(0.02, 1_000))
    assert sorted(fold.numbers) == list(range(last))
    assert {what for what, _ in first.told + second.told} <= {"assigned", "revoked"}


def test_a_restarted_member_has_its_partitions_back_at_once(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    # Given two members
    first, second = Positions(), Positions()
    one, two = start(first, "one"), start(second, "two")
    for _ in range(400):
        if (len(first.owned), len(second.owned)) == (2, 2):
            break
        one.poll(0.02, 1)
        two.poll(0.02, 1)
    mine, told = set(first.owned), list(second.told)
    # When one stops and comes back under its name
    one.close()
    again = Positions()
    begun = time.monotonic()
    consumer = start(again, "one")
    owns(consumer, again, 2)
    # Then it has the same partitions, well within its session timeout, and the other noticed nothing
    assert time.monotonic() - begun < 3
    assert again.owned == mine
    two.poll(0.05, 1)
    assert second.told == told


def test_a_second_member_of_the_same_name_fences_the_first(clicks: EventType, start: Starting) -> None:
    first, second = Positions(), Positions()
    one = start(first, "same")
    owns(one, first, 4)
    two = start(second, "same")
    owns(two, second, 4)
    with pytest.raises(MemberFenced, match=r"same member name.*\(--name\)"):
        polled(one, 1)


def test_an_owner_that_cannot_say_the_positions_is_asked_again(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    class Unready(Positions):
        times = 0

        def assigned(self, partitions: list[Partition]) -> Mapping[Partition, int | None]:
            self.times += 1
            if self.times < 3:
                raise ConnectionError("The storage does not answer.")
            return super().assigned(partitions)

    sent(producer, clicks, range(100))
    owner, fold, raised = Unready(), Fold(), 0
    consumer = start(owner)
    while len(fold.numbers) < 100:
        try:
            fold.take(consumer.poll(0.05, 1_000))
        except ConnectionError:
            raised += 1
    assert raised == 2
    assert sorted(fold.numbers) == list(range(100))


def test_members_come_and_go_and_every_event_is_handed_out_once(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    # Given one member; a second and a third join, and the group reads while its shape changes
    fold, last = Fold(), 0
    owners = [Positions(fold.positions) for _ in range(3)]
    members = []
    for number, owner in enumerate(owners):
        members.append(start(owner, f"member-{number}"))
        while not all(item.owned for item in owners[: number + 1]):
            sent(producer, clicks, range(last, last + 30))
            last += 30
            for consumer in members:
                fold.take(consumer.poll(0.01, 500))
    # Then each of the four partitions has one owner, and nothing was lost or repeated on the way
    while len(fold.numbers) < last:
        for consumer in members:
            fold.take(consumer.poll(0.01, 500))
    assert sorted(at for owner in owners for at in owner.owned) == [(clicks.topic, number) for number in range(4)]
    assert sorted(fold.numbers) == list(range(last))


def die_when_giving_up(kafka: str, registry: str, group: str, topic: str, has_all: Event) -> None:
    """Member "one" until it is to give partitions up: before it asks for the round in which others get them."""

    class Killed(Consumer):
        def _drop(self, *of: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    owner, codec = Positions(), Codec(RegistryClient(registry))
    consumer = Killed(Kafka(kafka), codec, group, "one", {topic: EventType(topic, CLICK, key="user")}, owner)
    while True:
        consumer.poll(0.02, 1)
        if len(owner.owned) == 4:
            has_all.set()


def test_what_a_killed_member_was_to_give_up_is_given_to_another(
    kafka: str, registry_url: str, clicks: EventType, group: str, start: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "FIRST", 3.0)
    second, again = Positions(), Positions()
    spawn = get_context("spawn")
    has_all = spawn.Event()
    arguments = (kafka, registry_url, group, clicks.topic, has_all)
    victim = spawn.Process(target=die_when_giving_up, args=arguments, daemon=True)
    victim.start()
    try:
        assert has_all.wait(60)
        two = start(second, "two")
        until = time.monotonic() + 60
        while victim.is_alive() and time.monotonic() < until:
            two.poll(0.02, 1)
    finally:
        victim.kill()
        victim.join()
    one = start(again, "one")
    while len(again.owned | second.owned) < 4 and time.monotonic() < until:
        one.poll(0.02, 1)
        two.poll(0.02, 1)
    assert len(again.owned | second.owned) == 4


def test_who_has_nothing_lapses_and_comes_back_each_time_later() -> None:
    judge = idle.Idle(0.0)
    times = [now for now in range(200) if judge.must_lapse(float(now), has_some=False)]
    assert times == [20, 60, 140]
    assert not judge.must_lapse(500.0, has_some=True)
    assert not judge.must_lapse(519.0, has_some=False)
    assert judge.must_lapse(520.0, has_some=False)
