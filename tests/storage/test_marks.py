"""What a source has emitted again is told by its mark, which is kept with the rows."""

from __future__ import annotations

import random

import numpy as np
import pytest

from storage import Memory, Session, UnitId
from storage.formats import marks
from storage.formats.marks import Marks

UNIT = UnitId("items", 1, 1, "visits", 3)


class Reader:
    """One unit that keeps marks."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._form = memory, Marks("items_marks")
        memory.declare(self._form.describe("items", 1, 1, "visits"))
        self.claim()

    def claim(self) -> None:
        self._claim = self._memory.claim(UNIT, "me")
        self._position = self._claim.next
        self.session = Session(lambda addresses: self._memory.read(self._claim, self._position, addresses))
        self.session.partition = UNIT.partition
        self._marks = self._form.bind(self.session)

    def first(self, *events: tuple[str, int]) -> list[bool]:
        names = list(dict.fromkeys(name for name, _ in events if name))
        which = np.array([names.index(name) if name else -1 for name, _ in events], np.int32)
        kept = self._marks.first(names, which, np.array([at for _, at in events], np.int64))
        return [bool(one) for one in kept]

    def commit(self, position: int) -> None:
        self._memory.commit(self._claim, self._position, position, self.session.take(), None)
        self.session.committed()
        self._position = position


def test_what_is_not_above_its_sources_mark_is_a_repeat() -> None:
    reader = Reader(Memory())
    assert reader.first(("a", 0), ("a", 1), ("b", 0), ("a", 0), ("a", 1), ("a", 5)) == [
        True,
        True,
        True,
        False,
        False,
        True,
    ]
    assert reader.first(("a", 4), ("a", 6), ("b", 0), ("b", 2), ("", 0), ("", 0)) == [
        False,
        True,
        False,
        True,
        True,
        True,
    ]


def test_marks_are_known_as_far_as_they_were_committed() -> None:
    memory = Memory()
    reader = Reader(memory)
    reader.first(("a", 0), ("b", 7))
    reader.commit(2)
    reader.first(("a", 3))
    reader.claim()
    assert reader.first(("a", 3), ("b", 7), ("a", 3)) == [True, False, False]
    reader.commit(5)
    other = Reader(memory)
    assert other.first(("a", 3), ("b", 8)) == [False, True]


def test_whatever_is_emitted_again_by_whomever_each_position_is_taken_once_and_in_order() -> None:
    chance = random.Random(3)
    for _ in range(200):
        writers = [(source, chance.randrange(4)) for source in "aab" for _ in range(2)]
        writers = [(source, 0 if number % 2 == 0 else start) for number, (source, start) in enumerate(writers)]
        log: list[tuple[str, int]] = []
        heads = {number: 0 for number, (_, start) in enumerate(writers) if start == 0}
        for _ in range(60):  # a writer begins at 0, or where every position before is in the log
            for number, (source, start) in enumerate(writers):
                if number not in heads and {at for name, at in log if name == source} >= set(range(start)):
                    heads[number] = start
            number = chance.choice(list(heads))
            log.append((writers[number][0], heads[number]))
            heads[number] += 1
        taken: list[tuple[str, int]] = []
        reader, cuts = Reader(Memory()), sorted(chance.sample(range(len(log)), 4))
        for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
            part = log[start:end]
            taken += [event for event, kept in zip(part, reader.first(*part), strict=True) if kept] if part else []
        for source in "ab":
            mine = [at for name, at in taken if name == source]
            assert mine == list(range(len(mine)))
            assert set(mine) == {at for name, at in log if name == source}


def test_sources_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(Memory())
    monkeypatch.setattr(marks, "MOST", 2)
    reader.first(("a", 0), ("b", 0), ("c", 0))
    assert reader.first(("a", 0), ("c", 0)) == [False, True]
