"""Several technologies under one learner: derived first, the state last, and nothing counted twice after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.address import Address
from storage.compound import Compound, split
from storage.errors import FormatRefused, StorageUnavailable, SuspectGeneration
from storage.memory.memory import Memory
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, storage, unit

HOMES = {RECORDS: 0, COUNTS: 1, PLACES: 2}
COUNTED = Address(COUNTS, "all")


def home(address: Address) -> int:
    return HOMES[address.storage]


def test_a_commit_ends_where_any_part_of_any_part_has_to() -> None:
    state = Claim(unit(), 1, "a", 2, (Claim(unit(), 1, "a", 7), Claim(unit(), 1, "a", None)))
    claim = Claim(unit(), 1, "a", 2, (state, Claim(unit(), 1, "a", 9)))
    assert [claim.cut(position) for position in (None, 2, 6, 7, 8, 9)] == [2, 7, 7, 9, 9, None]


@dataclass
class Stage:
    """A state and two derived memories; each may be away."""

    memories: list[Memory] = field(default_factory=lambda: [Memory(), Memory(), Memory()])

    @property
    def compound(self) -> Compound:
        return Compound(self.memories, home)

    def reaching(self, count: int) -> Compound:
        """The same, of which only the first so many that are written answer: the derived ones, then the state."""
        turns = (2, 0, 1)
        parts = [memory if turn < count else Away() for memory, turn in zip(self.memories, turns, strict=True)]
        return Compound(parts, home)

    def counted(self) -> dict[str, int]:
        return {item: int(n) for _, row in self.memories[1].dump(storage(COUNTS)) for item, n in dict(row).items()}  # type: ignore[arg-type]

    def positions(self) -> list[int | None]:
        return [next((state.next for state in memory.units(storage(COUNTS))), None) for memory in self.memories]


class Away(Memory):
    """A memory that does not answer a commit."""

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        raise StorageUnavailable("It is away.")


def events(first: int, stop: int) -> Writes:
    """What the events of this range write: each counts once, under its own name and in total."""
    numbers = range(first, stop)
    return Writes(
        puts={Address(RECORDS, "last"): str(stop - 1).encode()},
        sums={COUNTED: {"total": len(numbers), **{str(number): 1 for number in numbers}}},
        ranks={Address(PLACES, "all"): {str(number): float(number) for number in numbers}},
    )


def test_each_row_goes_to_the_technology_of_its_storage() -> None:
    writes = Writes(puts={Address(RECORDS, "k"): b"x"}, sums={COUNTED: {"x": 1}}, newest={PLACES: 5})
    writes.scores[Address(PLACES, "all", 1)] = {"y": 2.0}
    state, counts, places = split(writes, home, 3)
    assert (state, counts) == (Writes(puts=writes.puts), Writes(sums=writes.sums))
    assert places == Writes(scores=writes.scores, newest={PLACES: 5})


def test_all_of_a_commit_is_there_and_sent_again_it_adds_nothing() -> None:
    stage = Stage()
    claim = stage.compound.claim(unit(), "a")
    assert stage.compound.commit(claim, None, 3, events(0, 3), 7) is Outcome.OK
    assert stage.compound.commit(claim, None, 3, events(0, 3), 7) is Outcome.ALREADY
    assert stage.positions() == [3, 3, 3]
    assert stage.counted() == {"total": 3, "0": 1, "1": 1, "2": 1}
    assert stage.compound.read(claim, 3, [Address(RECORDS, "last")]) == [b"2"]


def test_a_crash_before_the_state_is_committed_doubles_nothing_whatever_the_batches_are_then() -> None:
    stage = Stage()
    first = stage.compound.claim(unit(), "a")
    assert stage.compound.commit(first, None, 2, events(0, 2), None) is Outcome.OK
    cut_off = Compound([Away(), *stage.memories[1:]], home)
    with pytest.raises(StorageUnavailable):
        cut_off.commit(first, 2, 6, events(2, 6), None)
    assert stage.positions() == [2, 6, 6]
    claim = stage.compound.claim(unit(), "b")
    assert (claim.next, claim.cut(claim.next), claim.cut(6)) == (2, 6, None)
    for start, stop in ((2, 3), (3, 6), (6, 9)):
        assert stage.compound.commit(claim, start, stop, events(start, stop), None) is Outcome.OK
    assert stage.counted() == {"total": 9, **{str(number): 1 for number in range(9)}}


def test_a_batch_that_is_not_cut_where_a_derived_technology_stands_is_refused() -> None:
    stage = Stage()
    stage.memories[1].commit(stage.memories[1].claim(unit(), "z"), None, 5, Writes(), None)
    claim = stage.compound.claim(unit(), "a")
    with pytest.raises(ValueError, match="must end at 5"):
        stage.compound.commit(claim, None, 7, events(0, 7), None)
    assert stage.positions() == [None, 5, None]


def test_a_derived_technology_that_has_forgotten_is_not_trusted() -> None:
    stage = Stage()
    claim = stage.compound.claim(unit(), "a")
    stage.compound.commit(claim, None, 4, events(0, 4), None)
    stage.memories[2] = Memory()
    with pytest.raises(SuspectGeneration, match="raise the learner's version"):
        stage.compound.claim(unit(), "b")


def test_a_zombie_is_fenced_in_every_technology() -> None:
    stage = Stage()
    zombie = stage.compound.claim(unit(), "a")
    stage.compound.claim(unit(), "b")
    assert stage.compound.commit(zombie, None, 3, events(0, 3), None) is Outcome.FENCED
    assert stage.positions() == [None, None, None]


def test_only_the_state_can_be_read_back() -> None:
    stage = Stage()
    claim = stage.compound.claim(unit(), "a")
    with pytest.raises(FormatRefused, match="state"):
        stage.compound.read(claim, None, [Address(PLACES, "all")])


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("commit"), st.integers(1, 5), st.integers(0, 3)),
            st.tuples(st.just("crash"), st.just(0), st.just(0)),
        ),
        max_size=30,
    )
)
def test_whatever_is_cut_off_each_event_counts_once(steps: Sequence[tuple[str, int, int]]) -> None:
    """A commit reaches only as many technologies as it is let; what does not reach all of them ends in a crash."""
    stage = Stage()
    claim, position = stage.compound.claim(unit(), "0"), None
    for number, (what, count, reaches) in enumerate([*steps, ("crash", 0, 0), ("commit", 5, 3), ("commit", 5, 3)]):
        if what == "commit":
            start = position or 0
            stop = min(start + count, claim.cut(position) or start + count)
            try:
                stage.reaching(reaches).commit(claim, position, stop, events(start, stop), None)
                position = stop
                continue
            except StorageUnavailable:
                pass
        claim = stage.compound.claim(unit(), str(number + 1))
        position = claim.next
    assert stage.positions() == [position] * 3
    assert stage.counted() == {"total": position, **{str(number): 1 for number in range(position or 0)}}
