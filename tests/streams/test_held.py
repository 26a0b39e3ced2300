"""What is held is each message of the partitions that are ours, once, in log order."""

from __future__ import annotations

from itertools import pairwise

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as some

from streams.held import Held, runs
from streams.owner import Partition

places = some.tuples(some.sampled_from(["clicks", "views"]), some.integers(0, 2))


def message(at: Partition, offset: int) -> Message:
    return Message(topic=at[0], partition=at[1], offset=offset, value=b"")


def held(messages: Held) -> dict[Partition, list[int]]:
    return {at: stretch.offsets.tolist() for at, stretch in messages.items()}


@given(some.lists(places))
def test_runs_are_of_one_partition_and_leave_nothing_out(at: list[Partition]) -> None:
    messages = [message(place, offset) for offset, place in enumerate(at)]
    cut = list(runs(messages))
    assert [(item.topic(), item.partition(), item.offset()) for _, run in cut for item in run] == [
        (*place, offset) for offset, place in enumerate(at)
    ]
    assert [place for place, run in cut for _ in run] == at
    assert all(one[0] != other[0] for one, other in pairwise(cut))


@given(some.lists(some.lists(some.tuples(places, some.integers(0, 9)))), some.dictionaries(places, some.integers(0, 5)))
def test_each_offset_is_held_once_in_order_from_the_position_on(
    fetches: list[list[tuple[Partition, int]]], positions: dict[Partition, int]
) -> None:
    messages = Held()
    for fetch in fetches:
        messages.add([message(at, offset) for at, offset in fetch], positions)
    for at, offsets in held(messages).items():
        assert offsets == sorted(set(offsets))
        assert offsets[0] >= positions[at]
        assert max(offset for fetch in fetches for place, offset in fetch if place == at) == offsets[-1]
    assert len(messages) == sum(map(len, held(messages).values()))


def test_a_partition_read_from_the_beginning_holds_offset_zero() -> None:
    messages = Held()
    messages.add([message(("clicks", 0), 0)], {("clicks", 0): None})
    assert held(messages) == {("clicks", 0): [0]}


def test_a_dropped_partition_is_forgotten() -> None:
    messages = Held()
    messages.add([message(("clicks", 0), 3), message(("clicks", 1), 4)], {("clicks", 0): 0, ("clicks", 1): 0})
    messages.drop(("clicks", 0))
    assert held(messages) == {("clicks", 1): [4]}
