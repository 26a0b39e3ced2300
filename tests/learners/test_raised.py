"""What a learner raises is told alike, wherever it learns, and hides behind nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from learners import EmitRefused, EventLearner, FoldFailed, Replay, stream
from learners.raised import raised
from storage import Counters
from tests.learners.samples import EVENT_TYPES, Rating, ratings


class Panic(BaseException):
    """As polars' panics are."""


@pytest.mark.parametrize("cause", [Panic, EmitRefused, KeyError])
def test_of_a_frame_and_of_events_one_by_one(cause: type[BaseException]) -> None:
    class Raising(EventLearner[Rating]):
        ratings = stream("ratings")
        totals = Counters("totals")

        def learn(self, event: Rating) -> None:
            raise cause("no such item")

    events = list(EVENT_TYPES["ratings"].events(ratings(3)))
    told = set()
    for given in (ratings(3), events):
        with pytest.raises(FoldFailed) as failure:
            Replay([Raising], EVENT_TYPES).fold("ratings", given)
        assert isinstance(failure.value.__cause__, cause)
        told.add(str(failure.value))
    assert len(told) == 1


def test_where_the_folder_is_gone_in_which_we_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(ValueError, match="not this one") as failure:
        raise ValueError("not this one")
    assert raised(failure.value).startswith(f"ValueError: not this one, in {__file__}:")
