"""Events that were sent twice are dropped by their ids, as far back as the learner says, also after a restart."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from learners import EventLearner, FrameLearner, LearnerRefused, Replay, stream
from learners.checks import check
from learners.declaration import Declaration
from learners.homes import Homes
from learners.lane import Lane
from schemas import Event, EventType
from schemas.errors import SchemaError
from storage import Counters, Memory
from storage.formats.seen import PIECE, Seen
from storage.technologies import opened
from streams import Batch

AWAY = "http://127.0.0.1:9"


class Sale(Event, topic="sales", key="shop", id="receipt"):
    """Something was sold."""

    shop: str
    amount: int
    receipt: str | None = None


class Turnover(FrameLearner):
    """What each shop has sold."""

    sales = stream("sales", drop_repeats=PIECE)
    turnover = Counters("turnover")

    def learn(self, batch: Batch) -> None:
        self.turnover.add(batch.frame, key="shop", field="shop", amount="amount")


class Sold(EventLearner[Sale]):
    """The same, event by event."""

    sales = stream("sales", drop_repeats=PIECE)
    sold = Counters("sold")

    def learn(self, event: Sale) -> None:
        self.sold.add_one(event.shop, event.shop, event.amount)


TYPES = {"sales": Sale.event_type}


def sales(*receipts: str | None) -> pl.DataFrame:
    return Sale.event_type.frame([Sale("s1", 1, receipt) for receipt in receipts])


def unit(memory: Memory, learner: type[FrameLearner] = Turnover) -> Lane:
    declaration = Declaration.of(learner, TYPES)
    return Lane(declaration, Homes.single(declaration, memory).declare(), 0, memory)


def counted(memory: Memory, learner: type[FrameLearner] = Turnover) -> float:
    [descriptor] = [item for item in Declaration.of(learner, TYPES).descriptors(1) if item.format == "counters"]
    return sum(row["s1"] for _, row in memory.dump(descriptor) if isinstance(row, dict))


def pieces(memory: Memory) -> int:
    [descriptor] = [item for item in Declaration.of(Turnover, TYPES).descriptors(1) if item.format == "records"]
    return len(list(memory.dump(descriptor)))


def test_an_event_that_comes_twice_counts_once_and_one_without_an_id_counts_always() -> None:
    memory = Memory()
    lane = unit(memory)
    lane.fold(sales("r1", "r2", "r1", None))
    lane.fold(sales("r2", "r3", None))
    assert counted(memory) == 5


def test_ids_are_known_again_after_a_crash_and_by_whoever_takes_the_unit_over() -> None:
    memory = Memory()
    unit(memory).fold(sales("r1", "r2"))
    unit(memory).fold(sales("r2", "r3"))
    assert counted(memory) == 3


def test_what_was_not_committed_is_not_known() -> None:
    memory = Memory()
    lane = unit(memory)
    lane._fold.fold(Batch.of(sales("r1"), "sales"))
    lane.claim()
    lane.fold(sales("r1"))
    assert counted(memory) == 1


@pytest.mark.parametrize("step", [1, 700, 10_000])
def test_as_many_events_are_told_again_as_was_said_and_rows_do_not_grow_in_number(step: int) -> None:
    receipts = [f"r{number}" for number in range(5 * PIECE)] if step > 1 else [f"r{number}" for number in range(60)]
    memory = Memory()
    lane = unit(memory)
    for start in range(0, len(receipts), step):
        lane.fold(sales(*receipts[start : start + step]))
    lane.claim()
    lane.fold(sales(*receipts[-PIECE:]))
    assert counted(memory) == len(receipts)
    assert pieces(memory) <= 2
    if step > 1:
        lane.fold(sales(*receipts[:10]))
        assert counted(memory) == len(receipts) + 10


def test_it_makes_no_difference_where_batches_end_or_memory_is_lost() -> None:
    receipts = [f"r{number * 7919 % (3 * PIECE)}" for number in range(4 * PIECE)]
    frame = sales(*receipts)
    assert [item for learner in (Turnover, Sold) for item in check(learner, frame, TYPES) if item.problem] == []


def test_events_one_by_one_are_dropped_as_in_frames() -> None:
    replay = Replay([Turnover, Sold], TYPES)
    replay.fold("sales", [Sale("s1", 2, "r1"), Sale("s1", 2, "r1"), Sale("s1", 3, "r2")])
    replay.fold("sales", sales("r1", "r9"))
    assert {name: frame["value"].to_list() for name, frame in replay.frames().items()} == {"turnover": [6], "sold": [6]}


def declared(event_type: EventType, last: int = 10) -> Declaration:
    class Any(FrameLearner):
        name = "any"
        sales = stream("sales", drop_repeats=last)
        turnover = Counters("turnover")

    return Declaration.of(Any, {"sales": event_type})


def test_what_cannot_be_told_again_is_refused_with_what_to_do() -> None:
    schema = {name: value for name, value in Sale.event_type.schema.items() if name != "millrace.id"}
    with pytest.raises(LearnerRefused, match=r'set "millrace\.id" in its schema'):
        declared(EventType("sales", schema, "shop"))
    with pytest.raises(LearnerRefused, match="has no key"):
        declared(EventType("sales", Sale.event_type.schema))
    with pytest.raises(LearnerRefused, match="the last 1 to 1,000,000"):
        declared(Sale.event_type, 1_000_001)


@pytest.mark.parametrize(
    ("field", "why"), [("recipt", "has no field 'recipt'"), ("amount", None), ("place", "must be a string")]
)
def test_an_id_is_a_field_that_can_be_one(field: str, why: str | None) -> None:
    double = {"name": "place", "type": "double"}
    schema = {**Sale.event_type.schema, "millrace.id": field}
    schema["fields"] = [*schema["fields"], double]
    if why is None:
        assert EventType("sales", schema, "shop").id == field
        return
    with pytest.raises(SchemaError, match=why):
        EventType("sales", schema, "shop")


def test_ids_live_where_the_state_is_and_not_where_no_row_is_read_back(tmp_path: Path) -> None:
    stores = {"relational": opened("relational", f"sqlite:///{tmp_path}/a.db"), "search": opened("search", AWAY)}

    def homes(technology: str) -> Homes:
        class Placed(FrameLearner):
            sales = stream("sales", drop_repeats=10)
            turnover = Counters("turnover", technology=technology)

        return Homes.of(Declaration.of(Placed, TYPES), stores)

    assert homes("relational").places["records/placed_seen_ids"] == 0
    with pytest.raises(LearnerRefused, match="from which no row is read back"):
        homes("search")


def test_memory_is_bounded_by_what_was_said() -> None:
    memory = Memory()
    lane = unit(memory)
    for start in range(0, 6 * PIECE, PIECE):
        lane.fold(sales(*(f"r{start + number}" for number in range(PIECE))))
    seen = lane._fold._seen
    assert isinstance(seen, Seen)
    assert len(seen._digests) <= 2 * PIECE
