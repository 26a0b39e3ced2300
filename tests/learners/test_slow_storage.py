"""A slow storage holds up no more than it must: the next commit is folded meanwhile, and then nothing more is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest
from confluent_kafka import Message

from learners import FrameLearner, stream
from learners.plan import QUEUED, ROWS_PER_COMMIT
from learners.unit import Bury, State, Unit
from storage import Claim, Counters, Memory, StorageUnavailable, Writes
from storage.unit import Outcome
from streams import Batch
from tests.learners.conftest import MakeUnit, Stage
from tests.learners.samples import Histories, ItemCounts, Log, expected_histories, learned, ratings
from tests.waiting import until


class Slow(Memory):
    """A storage whose commits arrive when they may."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.open = Event(), Event()
        self.sizes: list[int] = []

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        self.begun.set()
        assert self.open.wait(20)
        self.sizes.append(writes.size)
        return super().commit(claim, expected, new, writes, watermark_ms)


class Wide(FrameLearner):
    """A row of 50 kB for each event."""

    ratings = stream("ratings", key="user")
    wide = Counters("wide")

    def learn(self, batch: Batch) -> None:
        for offset in batch.offsets.tolist():
            self.wide.add_one("all", f"{offset:050000}")


class Each(FrameLearner):
    """A row for each event."""

    ratings = stream("ratings")
    each = Counters("each")

    def learn(self, batch: Batch) -> None:
        for offset in batch.offsets.tolist():
            self.each.add_one("all", str(offset))


class Sums(FrameLearner):
    """How many events there were."""

    ratings = stream("ratings")
    sums = Counters("sums")

    def learn(self, batch: Batch) -> None:
        self.sums.add_one("all", "events", batch.rows)


def batch(count: int, first: int = 0) -> Batch:
    return Batch.of(ratings(first + count)[first:], "ratings", 0, first)


def test_while_a_commit_is_on_its_way_the_next_is_folded(make_unit: MakeUnit) -> None:
    memory = Slow()
    unit = make_unit(memory, ItemCounts)
    unit.claim()
    unit.advance(batch(100))
    assert memory.begun.wait(20)
    unit.advance(batch(100, 100))
    assert (unit.position, unit.committed) == (200, None)
    memory.open.set()
    unit.drain()
    assert unit.committed == 200


def test_a_drain_ends_when_its_time_is_over(make_unit: MakeUnit) -> None:
    memory = Slow()
    unit = make_unit(memory, ItemCounts)
    unit.claim()
    unit.advance(batch(10))
    unit.drain(until=0.0)
    assert (unit.position, unit.committed, unit.state) == (10, None, State.ACTIVE)
    memory.open.set()
    unit.drain()
    assert unit.committed == 10


def test_a_full_commit_behind_a_slow_one_is_not_folded_further_and_loses_nothing(
    make_stage: Callable[..., Stage],
) -> None:
    # Given a learner with a row for each event, and commits that do not arrive
    memory = Slow()
    stage = make_stage(Log(ratings(20_000)), memory, [Each, Histories])
    # When pass after pass is made (which never blocks)
    for _ in range(20):
        stage.step(1_000, patience=0)
    # Then it has folded what may wait at most, nothing more is read, and later all is learned once
    each, histories = stage.units
    assert stage.log.paused
    assert (each.position or 0) <= (QUEUED + 1) * ROWS_PER_COMMIT
    assert (histories.position or 0) <= 2 * ROWS_PER_COMMIT + 1_000
    memory.open.set()
    stage.run(1_000)
    assert learned(memory, Each) == {"all": {str(n): 1 for n in range(20_000)}}
    frame = stage.log.whole.frame
    assert {user: row["items"] for user, row in learned(memory, Histories).items() if user != "all"} == (
        expected_histories(frame)
    )


def test_commits_that_wait_are_not_sent_once_the_partition_is_another_workers(make_stage: Callable[..., Stage]) -> None:
    memory = Slow()
    stage = make_stage(Log(ratings(20_000)), memory, [Each])
    stage.step(20_000, patience=0)
    under_way = stage.units[0].flight
    assert under_way is not None
    stage.partition.leave()
    memory.open.set()
    under_way.result(20)
    stage.units[0].claim()
    assert len(memory.sizes) == 1
    assert (stage.units[0].position or 0) <= ROWS_PER_COMMIT


def test_what_waits_is_folded_in_its_order_whenever_a_commit_arrives(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two batches that wait for a commit, which arrives while they are offered to the unit
    memory = Slow()
    stage = make_stage(Log(ratings(12_000)), memory, [Each])
    [unit], advance = stage.units, Unit.advance
    first, second = stage.log.poll(6_000), stage.log.poll(6_000)
    assert first is not None
    assert second is not None
    stage.partition.receive(first)

    def advance_and_land(self: Unit, batch: Batch, bury: Bury) -> None:
        advance(self, batch, bury)
        memory.open.set()
        assert unit.flight is not None
        unit.flight.result(20)

    monkeypatch.setattr(Unit, "advance", advance_and_land)
    stage.partition.receive(second)
    monkeypatch.setattr(Unit, "advance", advance)
    # Then each event is learned once
    stage.run()
    assert learned(memory, Each) == {"all": {str(n): 1 for n in range(12_000)}}


def test_what_waits_is_given_up_when_another_unit_must_read_from_further_back(
    make_stage: Callable[..., Stage],
) -> None:
    memory = Slow()
    stage = make_stage(Log(ratings(20_000)), memory, [Each, Sums])
    while not stage.log.paused:
        stage.step(1_000, patience=0)
    _, sums = stage.units
    sums.postpone(StorageUnavailable("its store went away"))
    until(lambda: time.monotonic() > sums.due)
    stage.step(1_000, patience=0)
    assert (sums.state, sums.position, stage.log.place) == (State.ACTIVE, None, None)
    memory.open.set()
    stage.run(1_000)
    assert learned(memory, Each) == {"all": {str(n): 1 for n in range(20_000)}}
    assert sum(learned(memory, Sums)["all"].values()) == 20_000


def test_a_learner_that_reads_rows_back_does_not_wait_for_a_slow_commit_within_a_fold(make_unit: MakeUnit) -> None:
    memory = Slow()
    unit = make_unit(memory, Histories)
    unit.claim()
    unit.advance(batch(10))
    assert memory.begun.wait(20)
    unit.advance(batch(10, 10))
    assert (unit.position, unit.state) == (10, State.ACTIVE)
    memory.open.set()


def test_commits_are_cut_by_bytes_too_and_what_is_not_committed_is_known_in_bytes(
    make_stage: Callable[..., Stage],
) -> None:
    memory = Slow()
    stage = make_stage(Log(ratings(400)), memory, [Wide])
    for _ in range(20):
        stage.step(200, patience=0)
    assert stage.partition.size == pytest.approx(8 * 1024 * 1024, rel=0.5)
    memory.open.set()
    stage.run(200)
    assert stage.partition.size == 0
    assert max(memory.sizes) < 8 * 1024 * 1024
    assert sum(map(len, learned(memory, Wide)["all"])) == 400 * 50_000


def test_messages_that_wait_with_their_events_are_counted_too(make_stage: Callable[..., Stage]) -> None:
    memory = Slow()
    stage = make_stage(Log(ratings(26_000)), memory, [Each])
    first, second = stage.log.poll(20_000), stage.log.poll(6_000)
    assert first is not None
    assert second is not None
    stage.partition.receive(first)
    messages = [Message(value=bytes(1_000))] * second.batch.rows
    stage.partition.receive(replace(second, batch=replace(second.batch, messages=messages)))
    assert stage.partition.size > 6_000 * 1_000
    memory.open.set()


def test_without_memory_for_more_events_nothing_is_read(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(Log(ratings(100)), Memory(), [ItemCounts])
    stage.partition.work(stage.log, room=False)
    assert stage.log.paused
    stage.partition.work(stage.log, room=True)
    assert not stage.log.paused
