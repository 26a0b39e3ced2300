"""A unit folds each event once, whatever becomes of its commits."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from learners import FrameLearner, stream
from learners.plan import ROWS_PER_COMMIT
from learners.unit import State, Unit
from storage import Address, Claim, Counters, Memory, UnitId
from storage.errors import StorageUnavailable
from streams import Batch
from tests.learners.conftest import MakeUnit, folded
from tests.learners.samples import Histories, ItemCounts, Rating, Unlucky, learned, once, ratings


class Each(FrameLearner):
    """One row per event."""

    ratings = stream("ratings")
    each = Counters("each")

    def learn(self, batch: Batch) -> None:
        for offset in batch.offsets.tolist():
            self.each.add_one("all", str(offset))


def batch(count: int, first: int = 0) -> Batch:
    return Batch.of(ratings(first + count)[first:], "ratings", 0, first)


def claim_again(unit: Unit) -> None:
    assert unit.state is State.WAITING
    unit.claim()


def test_what_was_folded_is_committed_with_its_position_when_nothing_more_waits(make_unit: MakeUnit) -> None:
    memory = Memory()
    unit = make_unit(memory, Each)
    unit.claim()
    unit.advance(batch(10))
    unit.drain()
    assert (unit.position, unit.committed) == (10, 10)
    assert learned(memory, Each) == {"all": {str(n): 1 for n in range(10)}}


def test_a_learners_error_has_its_traceback_once_and_a_line_for_each_retry(
    make_unit: MakeUnit, caplog: pytest.LogCaptureFixture
) -> None:
    class Misspelt(Each):
        def learn(self, batch: Batch) -> None:
            _ = batch.frame["raiting"]

    unit = make_unit(Memory(), Misspelt)
    for count in (10, 4, 7, 7):  # other events, the same cause
        claim_again(unit)
        unit.advance(batch(count))
        while unit.due <= time.monotonic():  # it was tried with fewer events
            claim_again(unit)
            unit.advance(batch(count))
    retried = [record for record in caplog.records if "unit retried in" in record.getMessage()]
    assert len(retried) >= 3
    assert [record.exc_info is not None for record in retried] == [True] + [False] * (len(retried) - 1)
    assert caplog.text.count("Traceback") == 1
    assert all("raiting" in record.getMessage() for record in retried)


def test_events_below_the_position_are_skipped(make_unit: MakeUnit) -> None:
    memory = Memory()
    unit = make_unit(memory, Each)
    unit.claim()
    unit.advance(batch(10))
    unit.advance(batch(25))
    unit.advance(batch(5))
    unit.drain()
    assert unit.committed == 25
    assert learned(memory, Each) == {"all": {str(n): 1 for n in range(25)}}


def test_a_stretch_of_bad_events_only_moves_the_position(make_unit: MakeUnit) -> None:
    memory = Memory()
    unit = make_unit(memory, Each)
    unit.claim()
    unit.advance(Batch("ratings", 0, 0, 7, ratings(0), batch(0).offsets))
    unit.drain()
    assert unit.committed == 7


def test_commits_hold_about_two_thousand_rows_at_most_and_are_cut_at_an_event(make_unit: MakeUnit) -> None:
    memory = Unlucky()
    unit = make_unit(memory, Each)
    unit.claim()
    folded(unit, batch(30_000))
    unit.drain()
    assert [new for _, new, _ in memory.sent] == sorted(new for _, new, _ in memory.sent)
    assert all(later[0] == earlier[1] for earlier, later in pairwise(memory.sent))
    assert max(rows for _, _, rows in memory.sent) <= ROWS_PER_COMMIT
    assert unit.committed == 30_000


@pytest.mark.parametrize("fate", [["lost"], ["late"], ["late", "lost", "late"], ["ok", "lost", "late"]])
def test_an_unknown_outcome_is_answered_by_the_identical_commit(make_unit: MakeUnit, fate: list[str]) -> None:
    memory = Unlucky(fate)
    unit = make_unit(memory, Each)
    unit.claim()
    unit.advance(batch(10))
    unit.drain()
    unit.advance(batch(20))
    unit.drain()
    assert unit.committed == 20
    assert len(set(memory.sent)) == 2
    assert learned(memory, Each) == {"all": {str(n): 1 for n in range(20)}}


def test_a_commit_that_stays_unknown_is_given_up_and_the_unit_learns_its_position_by_a_claim(
    make_unit: MakeUnit,
) -> None:
    memory = Unlucky(["late"] + ["lost"] * 5)
    unit = make_unit(memory, Each)
    unit.claim()
    unit.advance(batch(10))
    unit.drain()
    claim_again(unit)
    assert unit.position == 10


def test_a_fenced_unit_drops_all_and_goes_on_from_what_is_committed(make_unit: MakeUnit) -> None:
    memory = Unlucky(["ok", "stolen"])
    unit = make_unit(memory, Histories)
    unit.claim()
    for count in (10, 20):
        unit.advance(batch(count))
        unit.drain()
    assert unit.problem is not None
    assert "another worker" in unit.problem
    claim_again(unit)
    assert unit.position == 10
    unit.advance(batch(30))
    unit.drain()
    assert learned(memory, Histories)["all"] == Counter(ratings(30)["user"])


def test_after_a_commit_that_fails_none_that_waits_is_sent(make_unit: MakeUnit) -> None:
    memory = Unlucky(["ok", "stolen"])
    unit = make_unit(memory, Each)
    unit.claim()
    unit.advance(batch(20_000))  # many commits, folded ahead
    unit.drain()
    assert len(memory.sent) == 2
    claim_again(unit)
    folded(unit, batch(20_000))
    unit.drain()
    assert learned(memory, Each) == {"all": {str(n): 1 for n in range(20_000)}}


class Elsewhere(Memory):
    """A storage that was rolled back behind the fold's back: every commit finds another position."""

    def commit(self, claim: Claim, expected: int | None, *rest: Any) -> Any:
        return super().commit(claim, -5, *rest)


def test_the_third_gap_in_a_row_stops_the_unit_loudly(make_unit: MakeUnit, caplog: pytest.LogCaptureFixture) -> None:
    unit = make_unit(Elsewhere(), Each)
    for _ in range(2):
        unit.claim()
        unit.advance(batch(10))
        unit.drain()
        assert unit.state is State.WAITING
    unit.claim()
    unit.advance(batch(10))
    unit.drain()
    assert unit.state is State.STOPPED
    assert [record for record in caplog.records if record.levelno == logging.ERROR and "stopped" in record.message]
    unit.advance(batch(10))
    assert unit.state is State.STOPPED


def test_a_learner_that_raises_names_the_event_and_the_events_before_it_are_learned(
    make_unit: MakeUnit, caplog: pytest.LogCaptureFixture
) -> None:
    class Picky(Histories):
        learn = once({"i3": 6}, Histories.learn)

    memory = Memory()
    unit = make_unit(memory, Picky)
    failing = next(offset for offset, item in enumerate(ratings(2_000)["item"]) if item == "i3")
    for _ in range(6):
        unit.claim()
        folded(unit, batch(2_000))
        assert unit.state is State.WAITING
        assert f"Learner picky raised on ratings/0 at offset {failing}: ValueError" in caplog.text
    unit.claim()
    assert unit.position == failing
    folded(unit, batch(2_000))
    unit.drain()
    assert unit.committed == 2_000
    assert sum(learned(memory, Picky)["all"].values()) == 2_000


def test_a_learner_that_keeps_raising_is_retried_later_each_time(make_unit: MakeUnit) -> None:
    class Never(Histories):
        learn = once({"i3": 10**9}, Histories.learn)

    unit, waits = make_unit(Memory(), Never), []
    for _ in range(8):
        unit.claim()
        folded(unit, batch(100))
        unit.drain()
        assert unit.state is State.WAITING
        waits.append(unit.due - time.monotonic())
    assert waits[0] < 0.2
    assert waits[-1] > 3


class Mute(Memory):
    """A storage that cannot be read."""

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        raise StorageUnavailable("no answer")


def test_a_learner_that_swallows_a_failed_read_does_not_get_its_guess_committed(make_unit: MakeUnit) -> None:
    class Careless(Histories):
        def learn(self, event: Rating) -> None:
            try:
                super().learn(event)
            except Exception:
                self.lengths.add_one("all", "guessed")

    memory = Mute()
    unit = make_unit(memory, Careless)
    unit.claim()
    unit.advance(batch(10))
    assert unit.state is State.WAITING
    assert unit.committed is None
    assert learned(memory, Careless) == {}


class Away(Memory):
    """A storage that is away for the first claims."""

    away = 3

    def claim(self, unit: UnitId, owner: str) -> Claim:
        if self.away:
            self.away -= 1
            raise StorageUnavailable("connection refused")
        return super().claim(unit, owner)


def test_a_storage_that_is_away_at_the_claim_is_asked_again(make_unit: MakeUnit) -> None:
    unit = make_unit(Away(), ItemCounts)
    for _ in range(3):
        unit.claim()
        assert unit.state is State.WAITING
    unit.claim()
    assert unit.state is State.ACTIVE


def test_the_watermark_is_the_newest_event_time(make_unit: MakeUnit) -> None:
    memory = Memory()
    unit = make_unit(memory, ItemCounts)
    unit.claim()
    unit.advance(batch(10))
    unit.drain()
    [state] = memory.units(next(iter(memory_descriptors(memory))))
    assert state.watermark_ms == int(ratings(10)["at"][-1].timestamp() * 1000)


def memory_descriptors(memory: Memory) -> list[Any]:
    return [memory.declare(item.describe("item_counts", 1, 1, "ratings")) for item in [ItemCounts.counts]]
