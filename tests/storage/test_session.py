"""A fold sees its own rows as it last put them, and reads each committed row once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import Address, Fenced, PutRefused, Records, Session
from tests.storage.form_stage import FormStage, Row

KEYS = ["u1", "u2", "u3"]
steps = st.lists(
    st.tuples(st.sampled_from(["put", "get", "load"]), st.sampled_from(KEYS), st.integers(0, 99))
    | st.tuples(st.sampled_from(["take", "committed_now", "crash"])),
    max_size=40,
)


class Trial:
    """A session whose commits arrive late, beside what it must show."""

    def __init__(self) -> None:
        self.committed: dict[Address, bytes] = {}
        self.under_way: list[dict[Address, bytes]] = []
        self.expected: dict[str, int] = {}
        self.durable: dict[str, int] = {}
        self.start()

    def start(self) -> None:
        self.session = Session(self.read)
        self.session.key_field = "user"
        self.session.begin(lambda: KEYS)
        self.rows = Records("rows", Row).bind(self.session)

    def read(self, addresses: Sequence[Address]) -> list[bytes | None]:
        self.committed_now()
        return [self.committed.get(address) for address in addresses]

    def put(self, key: str, seen: int) -> None:
        self.rows.put_one(key, Row(key, [], seen))
        self.expected[key] = seen

    def get(self, key: str, _: int) -> None:
        row = self.rows.get(key)
        assert (None if row is None else row.seen) == self.expected.get(key)

    def load(self, key: str, _: int) -> None:
        wanted = self.expected.get(key)
        assert self.rows.load([key])["seen"].to_list() == ([] if wanted is None else [wanted])

    def take(self) -> None:
        self.committed_now()
        self.under_way.append(self.session.take().puts)
        self.durable = dict(self.expected)

    def committed_now(self) -> None:
        while self.under_way:
            self.committed.update(self.under_way.pop(0))
            self.session.committed()

    def crash(self) -> None:
        """What was sent arrives all the same; memory is lost."""
        for puts in self.under_way:
            self.committed.update(puts)
        self.under_way.clear()
        self.start()
        self.expected = dict(self.durable)


@given(steps)
def test_reads_see_all_earlier_puts_whatever_is_committed_meanwhile(steps: list[tuple[str, ...]]) -> None:
    trial = Trial()
    for what, *arguments in steps:
        getattr(trial, what)(*arguments)


def test_rows_that_were_loaded_are_not_read_again_also_where_there_is_none() -> None:
    stage = FormStage()
    rows = Records("rows", Row).bind(stage.session)
    stage.fold(KEYS)
    assert rows.load(KEYS).height == 0
    rows.put_one("u1", Row("u1", ["a"]))
    assert [rows.get(key) for key in KEYS] == [Row("u1", ["a"]), None, None]
    stage.commit()
    assert rows.get("u1") == Row("u1", ["a"])
    assert stage.asked == KEYS


def test_after_a_crash_a_unit_reads_what_was_committed() -> None:
    stage, form = FormStage(), Records("rows", Row)
    rows = form.bind(stage.session)
    stage.fold(KEYS)
    rows.put_one("u1", Row("u1", ["a"]))
    stage.commit()
    rows.put_one("u1", Row("u1", ["lost"]))
    stage.claim()
    stage.fold(KEYS)
    assert form.bind(stage.session).get("u1") == Row("u1", ["a"])


def test_a_refused_read_goes_through() -> None:
    stage = FormStage()
    rows = Records("rows", Row).bind(stage.session)
    stage.fold(KEYS)
    stage.technology.claim(stage._unit, "another")
    with pytest.raises(Fenced):
        rows.get("u1")


def test_what_was_taken_is_not_changed_by_later_writes() -> None:
    stage = FormStage()
    rows = Records("rows", Row).bind(stage.session)
    stage.fold(KEYS)
    rows.put_one("u1", Row("u1", []))
    taken = stage.session.take()
    before = dict(taken.puts)
    rows.put_one("u1", Row("u1", ["a"]))
    assert taken.puts == before
    assert stage.session.writes.puts != before


def test_a_row_of_another_key_than_the_events_is_refused() -> None:
    stage = FormStage()
    rows = Records("rows", Row).bind(stage.session)
    stage.fold(["u1"])
    with pytest.raises(PutRefused, match="u2"):
        rows.put_one("u2", Row("u2", []))


def test_a_topic_without_a_key_owns_no_row() -> None:
    stage = FormStage()
    stage.session.key_field = None
    rows = Records("rows", Row).bind(stage.session)
    with pytest.raises(PutRefused, match="no key"):
        rows.put_one("u1", Row("u1", []))
