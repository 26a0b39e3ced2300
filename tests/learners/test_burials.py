"""A worker says in its log that it sends dead letters, without a line for each."""

from __future__ import annotations

import pytest

from learners.burials import EVERY, Burials
from streams import Rejected


def letter(offset: int, topic: str = "clicks") -> Rejected:
    return Rejected(topic, 0, offset, -1, None, b"", "MalformedEvent", f"reason {offset}")


def test_a_line_for_a_topic_and_some_seconds_says_how_many_and_the_first_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    burials = Burials()

    def told(now: float, *letters: Rejected) -> list[str]:
        caplog.clear()
        burials.tell(letters, now)
        return caplog.messages

    [line] = told(0.0, letter(3), letter(4))
    assert line.startswith("2 events of clicks refused")
    assert "offset 3 (MalformedEvent: reason 3); see millrace dead-letters list clicks" in line
    assert told(1.0, letter(5)) == []
    assert [line.split(" refused")[0] for line in told(2.0, letter(1, "views"))] == ["1 event of views"]
    assert told(2.5, letter(6)) == []
    assert [line.split(" refused")[0] for line in told(EVERY)] == ["2 events of clicks"]
    assert told(3 * EVERY) == []
