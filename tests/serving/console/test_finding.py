"""What the Flow page shows of an event that somebody looks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving.console.finding import _shown
from serving.measurements import EndpointFacts, find, flow
from storage import Descriptor
from storage.kept import kept
from streams.logged import Logged, Told
from streams.looking import Known
from tests.serving.measurements.samples import history, sample, state, storage, unit

FACTS: list[EndpointFacts] = []


def records(name: str) -> Descriptor:
    return replace(storage(name), format="records")


@pytest.mark.parametrize("ending", ["_seen_ids", "_marks", "_event_time", "_emitted"])
def test_what_a_learner_keeps_of_its_streams_is_no_row_of_the_key(ending: str) -> None:
    storages = [storage("co_watched"), records(f"co_watched{ending}"), records(f"viewer{ending}")]
    found = flow(history(sample(0, {"ratings": 10}, [state(unit("co_watched"), 10)], storages)), FACTS)
    assert found is not None
    event = Told(Logged("ratings", 0, 4, 0, b"u7", b""), {"user": "u7"}, "", "", "u7")
    shown = _shown(found, find(found, "ratings", 0, 4), Known(event, None, (), (), (), ()))
    assert [row.title for row in shown.rows] == [storages[0].title, storages[2].title]
    assert [bool(kept(item)) for item in storages] == [False, True, False]
    assert list(shown.dropping) == (["co_watched"] if ending == "_seen_ids" else [])
