"""What is sent next, what is sent again, and when Kafka counts as away: by given times, without I/O."""

from __future__ import annotations

from serving.decisions.backlog import PATIENCE, PAUSE, Backlog
from serving.spool import Place
from tests.serving.test_decision_log import entry


def backlog(count: int) -> Backlog:
    made = Backlog()
    for number in range(count):
        made.add(entry(number))
    return made


def sent(backlog: Backlog, now: float) -> list[tuple[int, str]]:
    found = []
    while (one := backlog.next(now)) is not None:
        found.append((one[0], one[1].unit))
    return found


def test_the_oldest_is_sent_first_and_each_once() -> None:
    waiting = backlog(3)
    assert sent(waiting, 0.0) == [(1, "u0"), (2, "u1"), (3, "u2")]
    assert sent(waiting, 1.0) == []
    assert len(waiting) == 3


def test_what_failed_is_sent_again_after_a_pause_and_before_all_that_is_younger() -> None:
    waiting = backlog(2)
    sent(waiting, 0.0)
    waiting.add(entry(2))
    waiting.again(2, 1.0)
    waiting.again(1, 1.0)
    assert sent(waiting, 1.0 + PAUSE / 2) == []
    assert [unit for _, unit in sent(waiting, 1.0 + PAUSE)] == ["u0", "u1", "u2"]


def test_kafka_is_away_from_a_failure_to_the_next_acknowledgement() -> None:
    waiting = backlog(2)
    sent(waiting, 0.0)
    assert not waiting.away(0.0)
    waiting.again(1, 0.1)
    assert waiting.away(0.1)
    waiting.done(2, acknowledged=False)
    assert waiting.away(0.1)
    sent(waiting, 1.0)
    waiting.done(1, acknowledged=True)
    assert not waiting.away(1.0)


def test_kafka_is_away_when_the_oldest_waits_long_for_its_acknowledgement() -> None:
    waiting = backlog(2)
    sent(waiting, 0.0)
    assert not waiting.away(PATIENCE)
    assert waiting.away(PATIENCE + 0.1)
    waiting.done(1, acknowledged=True)
    waiting.done(2, acknowledged=True)
    assert not waiting.away(PATIENCE + 0.1)


def test_what_was_never_sent_does_not_say_that_kafka_is_away() -> None:
    assert not backlog(1).away(1_000.0)


def test_it_knows_which_are_in_memory_only_and_which_is_the_first_in_the_spool() -> None:
    waiting = backlog(1)
    assert waiting.first_spooled is None
    for offset in (17, 99):
        waiting.add(entry(offset), Place(1, offset))
    sent(waiting, 0.0)
    assert list(waiting.in_memory_only) == [1]
    waiting.done(2, acknowledged=True)
    first = waiting.first_spooled
    assert first is not None
    assert first.place == Place(1, 99)
    assert 2 not in waiting
