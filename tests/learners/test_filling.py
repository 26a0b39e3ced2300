"""Units are filled from what is kept of their log as workers fill them, whatever becomes of their commits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learners import FrameLearner, stream
from learners.errors import FoldFailed, RebuildStopped
from learners.filling import Filling, Source
from learners.unit import State, Unit
from storage import Counters, Memory
from streams import Batch
from tests.learners.conftest import MakeUnit
from tests.learners.samples import Histories, Unlucky, expected_histories, learned, once, ratings

COUNT = 600
FRAME = ratings(COUNT)


def source(size: int = 50) -> Source:
    """Sixty batches of a partition, and some of another that nobody asks for."""

    def batches(starts: Mapping[int, int]) -> Iterator[Batch]:
        whole = Batch.of(FRAME, "ratings")
        for batch in whole.since(starts.get(0, 0)).split(size):
            yield Batch.of(FRAME[:3], "ratings", 1)
            yield batch

    return batches


def fill(unit: Unit, stop: threading.Event | None = None) -> bool:
    return Filling(source(), stop or threading.Event(), lambda _: None).fill([unit])


@given(st.lists(st.sampled_from(["ok", "lost", "late", "slow"]), max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_filled_is_the_fold_whatever_becomes_of_its_commits(make_unit: MakeUnit, fate: list[str]) -> None:
    memory = Unlucky(fate)
    unit = make_unit(memory, Histories)

    assert fill(unit)

    assert unit.committed == COUNT
    histories = {key: row["items"] for key, row in learned(memory, Histories).items() if key != "all"}
    assert histories == expected_histories(FRAME)


def test_it_goes_on_where_one_that_was_ended_had_committed(make_unit: MakeUnit) -> None:
    memory, stop = Memory(), threading.Event()
    seen: list[int] = []

    def advanced(unit: Unit) -> None:
        seen.append(unit.position or 0)
        if len(seen) == 3:
            stop.set()

    assert not Filling(source(), stop, advanced).fill([make_unit(memory, Histories)])
    following = make_unit(memory, Histories)
    assert fill(following)

    assert seen[-1] == 150
    histories = {key: row["items"] for key, row in learned(memory, Histories).items() if key != "all"}
    assert histories == expected_histories(FRAME)


def test_a_unit_that_another_claims_is_left_to_it(make_yielding: MakeUnit) -> None:
    memory = Unlucky(["ok", "ok", "stolen"])
    unit = make_yielding(memory, Histories)

    with pytest.raises(RebuildStopped, match="`millrace erase` claims units for a moment"):
        fill(unit)

    assert unit.overtaken
    unit.claim()
    assert unit.state is State.ACTIVE  # nobody keeps it from being claimed, once somebody asks for that
    assert unit.position is not None
    assert unit.position < COUNT


def test_a_learner_that_raises_ends_it_with_what_it_raised(make_yielding: MakeUnit) -> None:
    broken: Any = type("Broken", (Histories,), {"learn": once({"i5": 99}, Histories.learn), "name": "histories"})
    with pytest.raises(FoldFailed, match="cannot learn i5"):
        fill(make_yielding(Memory(), broken))


def test_the_event_for_which_a_learner_of_frames_raises_is_found_and_what_is_before_it_is_kept(
    make_yielding: MakeUnit,
) -> None:
    class Picky(FrameLearner):
        ratings = stream("ratings", key="user")
        counts = Counters("counts")

        def learn(self, batch: Batch) -> None:
            if 317 in batch.offsets:
                raise ValueError("not this one")
            self.counts.add(batch.frame, key="item")

    unit = make_yielding(Memory(), Picky)
    with pytest.raises(
        FoldFailed, match=r"at offset 317: ValueError: not this one, in .*test_filling.py:\d+: raise Va"
    ):
        fill(unit)
    assert unit.committed is not None
    assert 300 <= unit.committed <= 317  # commits may be under way
