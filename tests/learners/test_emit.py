"""What a learner emits follows from the events that it folds, and is sent before their rows are committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

from learners import EmitRefused, EventLearner, FoldFailed, FrameLearner, LearnerRefused, Replay, emit, stream
from learners.checks import check
from learners.declaration import declarations
from learners.emission import Emission, Trouble
from learners.outbox import Outgoing
from learners.trace import Trace
from learners.unit import State, Unit
from schemas import Event, Record
from storage import Counters, Memory, Records, UnitId
from streams import Batch, DeliveryFailed, KafkaUnavailable
from tests.learners.samples import Rating, ratings


class Liked(Event, topic="liked", key="item"):
    """A film was liked."""

    item: str
    user: str
    nth: int


class Count(Record):
    """So many."""

    count: int


class Likes(EventLearner[Rating]):
    """Tells films who liked them, and how many that viewer had liked before; two events where all stars are given."""

    counts = Records("like_counts", Count)
    liked = emit(Liked)

    def learn(self, event: Rating) -> None:
        if event.stars < 4:
            return
        known = self.counts.get(event.user) or Count(0)
        self.counts.put_one(event.user, Count(known.count + 1))
        for _ in range(event.stars - 3):
            self.liked.emit_one(Liked(event.item, event.user, known.count))


class Stars(FrameLearner):
    """Emits frames, and keeps nothing."""

    ratings = stream("ratings")
    liked = emit(Liked)

    def learn(self, batch: Batch) -> None:
        found = batch.with_offsets().filter(pl.col("stars") >= 4).with_columns(pl.lit(0).alias("nth"))
        self.liked.emit(found)
        self.liked.emit(found.reverse())


class Fans(FrameLearner):
    """Folds what is emitted."""

    liked = stream("liked")
    fans = Counters("fans")

    def learn(self, batch: Batch) -> None:
        self.fans.add(batch.frame, key="item", field="user")


class Careless(FrameLearner):
    """Emits as many events as it was given batches."""

    ratings = stream("ratings")
    liked = emit(Liked)

    def learn(self, batch: Batch) -> None:
        if batch.rows:
            self.liked.emit_one(Liked("i", "u", batch.rows), at=int(batch.offsets[0]))


TYPES = {"ratings": Rating.event_type, "liked": Liked.event_type}


def test_a_replay_gives_what_was_emitted_as_a_frame_and_folds_it_where_it_is_read() -> None:
    replay = Replay([Likes, Fans], TYPES, partitions=3)
    replay.fold("ratings", ratings(200))
    found = replay.frames()
    liked = ratings(200).filter(pl.col("stars") >= 4)
    assert found["liked"].height == liked["stars"].cast(pl.Int64).sum() - 3 * liked.height > 0
    assert found["fans"]["value"].sum() == found["liked"].height
    assert Likes.replay(ratings(200))["liked"].height == found["liked"].height


def test_events_one_by_one_are_emitted_for_as_in_frames() -> None:
    whole, single = Replay([Likes], TYPES), Replay([Likes], TYPES)
    whole.fold("ratings", ratings(50))
    for event in Rating.event_type.events(ratings(50)):
        single.fold("ratings", [event])
    assert single.rows() == whole.rows()


@pytest.mark.parametrize("learner", [Likes, Stars])
def test_where_batches_end_makes_no_difference_to_what_is_emitted(learner: type[Any]) -> None:
    assert [item.problem for item in check(learner, ratings(300), TYPES) if item.problem] == []


def test_a_check_finds_an_emission_that_depends_on_where_batches_end() -> None:
    broken = {item.promise for item in check(Careless, ratings(300), TYPES) if item.problem}
    assert broken == {
        "where a batch ends makes no difference",
        "nothing is lost when memory is dropped between batches",
        "an empty batch changes nothing",
    }


def refusal(learn: Callable[[Any, Batch], None]) -> str:
    """Why such a learner is refused to emit."""
    learner = type("Emitting", (FrameLearner,), {"ratings": stream("ratings"), "liked": emit(Liked), "learn": learn})
    replay = Replay([learner], TYPES)
    with pytest.raises(FoldFailed) as failure:
        replay.fold("ratings", ratings(20))
    assert isinstance(failure.value.__cause__, EmitRefused)
    return str(failure.value.__cause__)


def test_what_cannot_be_emitted_is_refused_with_what_to_do() -> None:
    event = Liked("i", "u", 1)
    assert "lacks 'nth', 'offset'" in refusal(lambda self, batch: self.liked.emit(batch.frame))
    assert "emit_one(event, at=offset)" in refusal(lambda self, batch: self.liked.emit_one(event))
    assert "not being folded" in refusal(lambda self, batch: self.liked.emit_one(event, at=20))
    assert "Rating is no event of liked" in refusal(
        lambda self, batch: self.liked.emit_one(next(Rating.event_type.events(batch.frame)), at=0)
    )
    frame = pl.DataFrame({"item": ["i"], "user": ["u"], "nth": ["no number"], "offset": [0]})
    assert "is refused" in refusal(lambda self, batch: self.liked.emit(frame))
    long = Liked("i" * 1_000_001, "u", 1)
    assert "larger than 1,000,000 bytes" in refusal(lambda self, batch: self.liked.emit_one(long, at=3))
    with pytest.raises(EmitRefused, match="through `self`"):
        Likes.liked.emit_one(event)


def test_events_that_would_go_round_are_refused() -> None:
    class Back(FrameLearner):
        liked = stream("liked")
        ratings = emit(Rating)

    with pytest.raises(LearnerRefused, match="go round without end"):
        declarations([Likes, Back], TYPES)


class Slow:
    """An emitter whose Kafka acknowledges when the test says so."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.acknowledge: list[Callable[[Exception | None], None]] = []
        self.away = False

    def emit(self, unit: UnitId, events: Sequence[Outgoing], commit: Callable[[], Future[None]]) -> Future[None]:
        if self.away:
            raise KafkaUnavailable("away")
        emission = Emission(len(events), commit, Trouble())
        self.sent += events
        heard = emission.deliveries.acknowledged(0)

        def acknowledge(error: Exception | None) -> None:
            for _ in events:
                heard(error, 0, 0)

        self.acknowledge.append(acknowledge)
        return emission


class Tale(Event, topic="tales", key="item"):
    """Something long was said of a film."""

    item: str
    text: str


class Tales(EventLearner[Rating]):
    """Emits 50,000 bytes for each event."""

    tales = emit(Tale)

    def learn(self, event: Rating) -> None:
        self.tales.emit_one(Tale(event.item, "x" * 50_000))


@pytest.fixture
def emitting(committer: ThreadPoolExecutor) -> tuple[Unit, Slow, Memory]:
    """A claimed unit of `Likes`."""
    memory, slow = Memory(), Slow()
    return made(Likes, committer, memory, slow), slow, memory


def made(learner: type[Any], committer: ThreadPoolExecutor, memory: Memory, slow: Slow) -> Unit:
    [declaration] = declarations([learner], TYPES)
    for descriptor in declaration.descriptors(1):
        memory.declare(descriptor)
    unit_id = UnitId(learner.name, 1, 1, "ratings", 0)
    unit = Unit(unit_id, declaration, memory, committer, Trace(None), 0.0, slow)
    unit.claim()
    return unit


def batch(count: int) -> Batch:
    return Batch.of(ratings(count), "ratings")


def test_nothing_is_committed_before_kafka_has_all_that_was_emitted(emitting: tuple[Unit, Slow, Memory]) -> None:
    unit, slow, memory = emitting
    unit.advance(batch(20))
    unit.settle()
    position, claims = unit.position, unit.claims
    assert slow.sent
    assert (unit.committed, memory.units(next(iter(memory.storages())))[0].next) == (None, None)
    slow.acknowledge.pop()(None)
    while slow.acknowledge or unit.committed != 20:
        unit.settle()
        for acknowledge in slow.acknowledge:
            acknowledge(None)
        slow.acknowledge.clear()
    assert (position, claims, unit.claims) == (20, 1, 1)


def test_what_is_emitted_counts_in_bytes_too_and_no_more_is_held_than_two_commits(
    committer: ThreadPoolExecutor,
) -> None:
    memory, slow = Memory(), Slow()
    unit = made(Tales, committer, memory, slow)
    unit.advance(batch(400))
    assert unit.position is not None
    assert 0 < unit.position < 400
    assert unit.size < 10_000_000
    while unit.committed != 400:
        unit.advance(batch(400))
        for acknowledge in slow.acknowledge:
            acknowledge(None)
        slow.acknowledge.clear()
        unit.settle()
        assert unit.size < 10_000_000
    assert (len(slow.sent), unit.size, unit.claims) == (400, 0, 1)


def test_what_kafka_has_not_taken_is_emitted_again_and_alike(emitting: tuple[Unit, Slow, Memory]) -> None:
    unit, slow, _ = emitting
    unit.advance(batch(20))
    first = list(slow.sent)
    slow.acknowledge.pop()(DeliveryFailed("refused", 1))
    unit.settle()
    assert (unit.state, unit.committed) == (State.WAITING, None)
    unit.claim()
    slow.sent.clear()
    slow.away = True
    unit.advance(batch(20))
    assert unit.state is State.WAITING
    slow.away = False
    unit.claim()
    unit.advance(batch(20))
    again = list(slow.sent)
    length = min(len(first), len(again))
    assert length > 0
    assert again[:length] == first[:length]


def test_an_emission_that_is_not_acknowledged_in_time_or_by_a_producer_that_failed_is_given_up() -> None:
    def commit() -> Future[None]:
        raise AssertionError("nothing was acknowledged")

    late = Emission(1, commit, Trouble(), patience=0.0)
    assert late.done()
    with pytest.raises(DeliveryFailed, match="has not acknowledged 1 emitted events"):
        late.result()
    trouble = Trouble()
    refused = Emission(1, commit, trouble)
    assert not refused.done()
    trouble(DeliveryFailed("too large", 1))
    assert refused.done()
    with pytest.raises(DeliveryFailed, match="too large"):
        refused.result()
