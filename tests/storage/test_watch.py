"""Silence is told by one clock, from what changes."""

from __future__ import annotations

from storage.retention import Sign
from storage.watch import Watch

LOAD: Sign = ("load", "redis/ranking/popular@2")
READ: Sign = ("lease", "redis/ranking/popular@1")


def test_a_sign_that_is_the_same_for_a_minute_is_silent_and_one_that_changes_is_not() -> None:
    now = [0.0]
    watch = Watch(lambda: now[0])
    assert watch.look({LOAD: 5, READ: 1}) == set(), "nothing is known at the first look"
    now[0] = 59.0
    assert watch.look({LOAD: 5, READ: 2}) == set()
    now[0] = 60.0
    assert watch.look({LOAD: 5, READ: 2}) == {LOAD}
    now[0] = 119.0
    assert watch.look({LOAD: 6, READ: 2}) == {READ}


def test_a_sign_that_was_away_begins_anew() -> None:
    now = [0.0]
    watch = Watch(lambda: now[0])
    watch.look({LOAD: 5})
    now[0] = 60.0
    watch.look({})
    assert watch.look({LOAD: 5}) == set()
