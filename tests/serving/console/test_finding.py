"""What the Flow page shows of an event that somebody looks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving.console.finding import _shown
from serving.measurements import EndpointFacts, find, flow
from storage import Descriptor
from storage.event_times import UnitTime
from storage.kept import kept
from streams import Rejected
from streams.dead_letters.letter import Letter
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
    shown = _shown(found, find(found, "ratings", 0, 4), Known(event))
    assert [row.title for row in shown.rows] == [storages[0].title, storages[2].title]
    assert [bool(kept(item)) for item in storages] == [False, True, False]
    assert list(shown.dropping) == (["co_watched"] if ending == "_seen_ids" else [])


def letter(error: str, reason: str) -> Letter:
    return Letter(5, 1, Rejected("ratings", 0, 4, 0, b"u7", b"", error, reason))


@pytest.mark.parametrize(
    ("letters", "before", "became"),
    [
        ((), (), ["folded", "folded, unless it is one of the 3 that were late there"]),
        ((letter("LateEvent", "b takes it as late: it happened"),), (), ["folded", "late, see its dead letter"]),
        ((letter("MalformedEvent", "no zero byte"),), (), ["refused, see its dead letter"] * 2),
        ((), (2,), ["dropped as a repeat, if it remembers the id", "folded, unless"]),
        (None, (), ["passed", "passed"]),
    ],
)
def test_what_became_of_an_event_for_each_learner_is_said_as_far_as_it_is_known(
    letters: tuple[Letter, ...] | None, before: tuple[int, ...], became: list[str]
) -> None:
    storages = [storage("x", "a@1"), records("a_seen_ids"), storage("y", "b@1")]
    storages[1] = replace(storages[1], writer="a@1")
    sampled = sample(0, {"ratings": 10}, [state(unit("a"), 10), state(unit("b"), 10)], storages)
    found = flow(history(replace(sampled, event_times=[UnitTime(unit("b"), 5_000, 3)])), FACTS)
    assert found is not None
    event = Told(Logged("ratings", 0, 4, 0, b"u7", b""), {"user": "u7"}, "", "", "u7")
    shown = _shown(found, find(found, "ratings", 0, 4), Known(event, letters, before))
    assert [(name, what.startswith(wanted)) for (name, what), wanted in zip(shown.became, became, strict=True)] == [
        ("a@1", True),
        ("b@1", True),
    ]
