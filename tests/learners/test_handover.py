"""What of an archive a new version folds, and where the log takes over."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners import EventLearner, LearnerRefused, emit, stream
from learners.declaration import Declaration
from learners.handover import Place, must_be_in_an_archive, stretches
from schemas import Event
from schemas.personal import hashed
from storage import Counters
from streams.errors import ArchiveBehind
from tests.learners.samples import EVENT_TYPES, Histories, ItemCounts, Rating

OFFSETS = st.integers(0, 20)
RATINGS = EVENT_TYPES["ratings"]


class Seen(Event, topic="seen", key="user"):
    """A viewer was seen."""

    user: str


class Emits(EventLearner[Rating]):
    """Says who was seen."""

    seen = emit(Seen)

    def learn(self, rating: Rating) -> None:
        self.seen.emit_one(Seen(user=rating.user))


@pytest.mark.parametrize(
    ("place", "stretch"),
    [
        (Place(None, 100, 0, 120), (0, 100)),
        (Place(40, 100, 90, 120), (40, 100)),  # the log has lost what the archive has
        (Place(100, 100, 0, 120), None),
        (Place(110, 100, 0, 120), None),  # a worker is further than the archive
        (Place(None, None, 5, 120), None),  # nothing of it is archived: a worker begins where the log begins
    ],
)
def test_what_the_archive_has_and_the_version_has_not_is_folded(place: Place, stretch: tuple[int, int] | None) -> None:
    assert stretches("clicks", {0: place}) == ({} if stretch is None else {0: stretch})


@pytest.mark.parametrize("place", [Place(None, 80, 90, 120), Place(70, None, 90, 120), Place(None, 130, 90, 120)])
def test_events_that_neither_has_are_told_before_anything_begins(place: Place) -> None:
    with pytest.raises(ArchiveBehind, match="clicks partition 3"):
        stretches("clicks", {0: Place(None, 100, 0, 120), 3: place})


@given(st.none() | OFFSETS, st.none() | OFFSETS, OFFSETS, OFFSETS)
def test_archive_and_log_together_leave_nothing_out(
    position: int | None, archived: int | None, low: int, more: int
) -> None:
    place = Place(position, archived, low, low + more)
    try:
        found = stretches("clicks", {0: place})
    except ArchiveBehind:
        return
    reached = found[0][1] if found else position
    assert found.get(0, (position or 0,))[0] == (position or 0)
    if reached is not None:
        assert place.low <= reached <= place.high  # from where the log has every event
    again = stretches("clicks", {0: Place(reached, archived, low, low + more)}, again=True)
    assert again == {}


@pytest.mark.parametrize(
    ("learner", "why"),
    [
        (type("Split", (Histories,), {"ratings": stream("ratings", key="item"), "n": Counters("n")}), "derived"),
        (type("Written", (Histories,), {"ratings": stream("ratings", emitted=True)}), "which learners write"),
        (Emits, "emits to seen"),
    ],
)
def test_a_fold_that_an_archive_cannot_repeat_is_refused(learner: Any, why: str) -> None:
    with pytest.raises(LearnerRefused, match=why):
        must_be_in_an_archive(Declaration.of(learner, EVENT_TYPES), RATINGS)
    must_be_in_an_archive(Declaration.of(Histories, EVENT_TYPES), RATINGS)


@pytest.mark.parametrize("registered", [True, False], ids=["marked where registered", "marked by the learner"])
def test_a_fold_of_a_field_that_the_archive_keeps_as_a_pseudonym_is_refused(registered: bool) -> None:
    class Marked(Event, topic="ratings", key="user"):
        user: Annotated[str, hashed]
        item: str
        stars: int

    learned = EVENT_TYPES if registered else {**EVENT_TYPES, "ratings": Marked.event_type}
    with pytest.raises(LearnerRefused, match="reads user of ratings, which the archive keeps as pseudonyms"):
        must_be_in_an_archive(Declaration.of(ItemCounts, learned), Marked.event_type if registered else RATINGS)
