from dataclasses import replace

import pytest

from serving.console.notes import note
from serving.measurements import (
    NOBODY,
    AnswerCounts,
    Connection,
    EndpointFacts,
    Failure,
    Flow,
    ImplementationFacts,
    flow,
)
from tests.serving.measurements.samples import T0, history, sample, state, storage, unit

STORAGE = storage("co_watched")
READER = EndpointFacts("recommend", 0.05, (ImplementationFacts("personal", reads=(STORAGE.title,)),))


def picture(positions: list[int], endpoint: EndpointFacts = READER, ago: float = 0.0) -> Flow:
    """A log that grows by 100 events a second, and a unit at one position after the other."""
    samples = [
        sample(second, {"ratings": 1000 + 100 * second}, [state(unit(), position, T0 + second - ago)], [STORAGE])
        for second, position in enumerate(positions)
    ]
    found = flow(history(*samples), [endpoint])
    assert found is not None
    return found


def test_nothing_is_said_while_everything_is_in_step() -> None:
    assert note(picture([1000 + 100 * second for second in range(30)])) is None


def test_a_unit_behind_is_named_with_how_much_until_when_and_what_it_touches() -> None:
    found = note(picture([1000 + 100 * max(0, second - 20) + 50 * min(9, max(0, second - 20)) for second in range(30)]))

    assert found is not None
    assert found.kind == "warn"
    text = found.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "behind on partition 0 of ratings: 1,550 events to fold" in text
    assert "catching up at 50/s, even again in about 31 s" in text
    assert text.endswith("Answers of recommend use it.")
    assert found.link == "flow?show=learners/co_watched@1#units"


def test_what_is_told_to_those_who_listen_does_not_change_with_every_number() -> None:
    first = note(picture([1000] * 20))
    later = note(picture([1000] * 25))

    assert first is not None
    assert later is not None
    assert first.text != later.text
    assert first.status == later.status


def test_a_unit_that_stands_still_says_when_it_last_moved() -> None:
    found = note(picture([1000] * 20, ago=30))

    assert found is not None
    assert "it stands still; its last commit was 30" in found.text


def test_a_server_that_does_not_answer_comes_before_everything_that_follows_from_it() -> None:
    away = replace(picture([1000] * 20), connections=(Connection("Kafka", T0 - 12, 3.0, "timed out"),))

    found = note(away)

    assert found is not None
    assert (found.kind, found.subject) == ("bad", "Kafka")
    assert "has not answered for 31" in found.text


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            Failure("personal", "deadline-passed", "newest"),
            "had no answer of personal 5 times in the last minute: its deadline passed. Instead of it newest answered.",
        ),
        (Failure("personal", "implementation-failed", NOBODY), "its code failed. Nothing stood in for it."),
        (Failure("personal", "storage-unavailable", "default"), "Instead of it the default answered."),
    ],
)
def test_an_implementation_that_often_fails_is_named_with_the_reason_and_what_answered(
    failure: Failure, words: str
) -> None:
    found = note(answered(100, 5, failure))

    assert found is not None
    assert (found.kind, found.subject, found.link) == ("bad", "recommend", "endpoints?endpoint=recommend")
    assert words in found.text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_rare_failure_is_no_note() -> None:
    assert note(answered(1000, 5, Failure("personal", "deadline-passed", "newest"))) is None


def answered(answers: int, failed: int, failure: Failure) -> Flow:
    """An endpoint type that was asked so often within a minute, and failed so often."""
    counts = AnswerCounts(answers, failed, failures={failure: failed})
    found = flow(history(sample(0), replace(sample(10), answers={"recommend": counts})), [READER])
    assert found is not None
    return found


def test_refused_code_says_that_the_version_before_keeps_answering() -> None:
    broken = EndpointFacts("recommend", 0.05, (ImplementationFacts("personal", error="golden request 2 failed."),))

    found = note(picture([1000 + 100 * second for second in range(9)], broken))

    assert found is not None
    assert found.kind == "bad"
    assert "golden request 2 failed. What answered before keeps answering." in found.text
