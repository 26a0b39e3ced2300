"""Workers start, commit, crash, are taken for dead and come back: every technology ends where the model ends."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.address import Address
from storage.errors import Fenced, Gap
from storage.kinds import KINDS
from storage.technology import Technology
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.contracts.conftest import Sides, holds
from tests.contracts.model import COUNTS, PLACES, RECORDS, STORAGES, TREND, Model, storage, unit

KEY = st.sampled_from(["a", "b", "c:d"])
ITEM = st.sampled_from(["x", "y", "é"])
WEIGHT = st.floats(-1e6, 1e6)
ADDRESSES = {name: st.builds(Address, st.just(name), KEY, st.none()) for name in (RECORDS, COUNTS, PLACES)}
WRITES = st.builds(
    Writes,
    puts=st.dictionaries(ADDRESSES[RECORDS], st.binary(max_size=3), max_size=2),
    sums=st.dictionaries(ADDRESSES[COUNTS], st.dictionaries(ITEM, st.integers(-9, 9), min_size=1), max_size=2),
    scores=st.dictionaries(
        st.builds(Address, st.just(TREND), KEY, st.integers(-1, 2)),
        st.dictionaries(ITEM, WEIGHT, min_size=1),
        max_size=2,
    ),
    ranks=st.dictionaries(ADDRESSES[PLACES], st.dictionaries(ITEM, WEIGHT, min_size=1), max_size=2),
    newest=st.dictionaries(st.just(TREND), st.integers(0, 9)),
)
WATERMARK = st.none() | st.integers(0, 9)
HISTORIES = {"cassandra": 25, "search": 25}
"""So many are enough where one takes long."""
PARTITION = st.integers(0, 1)
STEP = st.one_of(
    st.tuples(st.just("claim"), PARTITION),
    st.tuples(st.just("commit"), PARTITION, WRITES, WATERMARK),
    st.tuples(st.just("resend"), PARTITION),
    st.tuples(st.just("zombie"), st.integers(0, 9), WRITES, WATERMARK),
    st.tuples(st.just("elsewhere"), PARTITION, st.none() | st.integers(0, 9), WRITES, WATERMARK),
    st.tuples(
        st.just("read"), st.integers(0, 9), st.none() | st.integers(0, 9), st.lists(ADDRESSES[RECORDS], max_size=3)
    ),
)


class Run:
    """A history of workers, carried out by a technology and by the model at once."""

    def __init__(self, technology: Technology, learner: str) -> None:
        self.technology, self.learner, self.model = technology, learner, Model()
        self.claims: list[Claim] = []
        self.current: dict[int, Claim] = {}
        self.last: dict[int, tuple[Claim, int | None, int, Writes, int | None]] = {}

    def claim(self, partition: int) -> None:
        """A worker starts; whoever had the unit is a zombie from now on."""
        owner = f"owner {len(self.claims)}"
        claim = self.technology.claim(unit(self.learner, partition), owner)
        assert claim == self.model.claim(unit(self.learner, partition), owner)
        self.claims.append(claim)
        self.current[partition] = claim

    def commit(self, partition: int, writes: Writes, watermark_ms: int | None) -> None:
        if partition in self.current:
            position = self.model.fences[self.current[partition].unit].next
            self._commit(self.current[partition], position, (position or 0) + 1, writes, watermark_ms)

    def resend(self, partition: int) -> None:
        """The reply to the last commit was lost."""
        if partition in self.last:
            self._commit(*self.last[partition])

    def zombie(self, number: int, writes: Writes, watermark_ms: int | None) -> None:
        if self.claims:
            claim = self.claims[number % len(self.claims)]
            position = self.model.fences[claim.unit].next
            self._commit(claim, position, (position or 0) + 1, writes, watermark_ms)

    def elsewhere(self, partition: int, expected: int | None, writes: Writes, watermark_ms: int | None) -> None:
        if partition in self.current:
            self._commit(self.current[partition], expected, (expected or 0) + 3, writes, watermark_ms)

    def read(self, number: int, expected: int | None, rows: list[Address]) -> None:
        if self.claims:
            claim = self.claims[number % len(self.claims)]
            refusal = self.model.refusal(claim, expected)
            rows = [own(row, claim.unit.partition) for row in rows]
            if refusal is None:
                rows = [] if "load" in KINDS[self.technology.name].lacks else rows
                assert self.technology.read(claim, expected, rows) == [self.model.rows.get(row) for row in rows]
            else:
                with pytest.raises(Fenced if refusal is Outcome.FENCED else Gap):
                    self.technology.read(claim, expected, rows)

    def compare(self) -> None:
        """Rows bit for bit, positions, watermarks and the newest."""
        for name in STORAGES:
            descriptor = storage(name, self.learner)
            assert dict(self.technology.dump(descriptor)) == self.model.dump(name)
            assert self.technology.newest(descriptor) == self.model.newest[name]
        states = self.technology.units(storage(COUNTS, self.learner))
        found = {state.unit: (state.epoch, state.next, state.watermark_ms) for state in states}
        assert found == {at: (fence.epoch, fence.next, fence.watermark_ms) for at, fence in self.model.fences.items()}

    def _commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> None:
        self.last[claim.unit.partition] = claim, expected, new, writes, watermark_ms
        writes = held(self.technology, owned(writes, claim.unit.partition))
        outcome = self.technology.commit(claim, expected, new, writes, watermark_ms)
        assert outcome is self.model.commit(claim, expected, new, writes, watermark_ms)


def owned(writes: Writes, partition: int) -> Writes:
    """The same with keys of the partition for rows that are replaced, as each of them belongs to one unit."""
    return Writes(
        {own(row, partition): record for row, record in writes.puts.items()},
        writes.sums,
        writes.scores,
        {own(row, partition): scores for row, scores in writes.ranks.items()},
        writes.newest,
    )


def held(technology: Technology, writes: Writes) -> Writes:
    """Of writes what a technology can hold."""
    if not holds(technology, "counters"):
        writes = Writes(writes.puts, {}, writes.scores, writes.ranks, writes.newest)
    return writes if holds(technology, "ranking") else Writes(writes.puts, writes.sums)


def own(row: Address, partition: int) -> Address:
    """A row that belongs to a partition."""
    return row._replace(key=f"{partition}/{row.key}")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=25))
def test_whatever_workers_do_the_rows_are_those_of_the_model(sides: Sides, steps: list[tuple[object, ...]]) -> None:
    if sides.tired(HISTORIES):
        return
    run = Run(sides.technology, sides.learner())
    run.claim(0)
    for name, *arguments in steps:
        getattr(run, str(name))(*arguments)
    run.compare()
