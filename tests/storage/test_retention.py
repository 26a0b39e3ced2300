"""Which versions may go, and who is said to use one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from storage.alias import Alias
from storage.descriptor import Descriptor
from storage.retention import CLOCKS, Present, Retention, Sign, in_use, removable, undecided
from storage.unit import UnitId, UnitState

NOW = 1_800_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
APART = round(CLOCKS.total_seconds() * 1000)
TITLE = "memory/ranking/popular@1"
PLACE = ("ranking", "popular")
RULE = Retention(previous=1, age=timedelta(hours=24))


def version(number: int, **changes: Any) -> Descriptor:
    plain: dict[str, Any] = {
        "technology": "memory",
        "format": "ranking",
        "name": "popular",
        "version": number,
        "writer": f"popular@{number}",
        "generation": number,
        "topic": "clicks",
        "options": {},
        "schema": None,
        "created": "2026-11-25T08:00:00+00:00",
    }
    return Descriptor(**{**plain, **changes})


def present(
    *descriptors: Descriptor,
    alias: Alias | None = None,
    commits: dict[int, int] | None = None,
    leases: dict[int, int] | None = None,
    silent: frozenset[Sign] | None = None,
) -> Present:
    """`commits` and `leases` give, by version, when its unit committed and until when it is read."""
    units = {
        version(number).title: [UnitState(UnitId("popular", number, number, "clicks", 0), 1, 9, None, at)]
        for number, at in (commits or {}).items()
    }
    titles = {version(number).title: until for number, until in (leases or {}).items()}
    return Present(descriptors, {PLACE: alias} if alias else {}, units, titles, NOW, silent)


def numbers(found: list[Descriptor]) -> list[int]:
    return [item.version for item in found]


OLD = Alias(version=3, newest=3, previous=2, since_ms=NOW - 25 * HOUR)
EVERY = [version(1), version(2), version(3)]


def test_what_the_name_has_left_for_long_goes_but_for_the_last_few() -> None:
    assert numbers(removable(present(*EVERY, alias=OLD), RULE)) == [1]
    assert numbers(removable(present(*EVERY, alias=OLD), Retention(2, RULE.age))) == []
    assert numbers(removable(present(*EVERY, alias=OLD), Retention(0, RULE.age))) == [1, 2]


def test_nothing_goes_before_the_name_has_stood_for_the_newer_one_for_long() -> None:
    alias = Alias(version=3, newest=3, previous=2, since_ms=NOW - 23 * HOUR)
    assert removable(present(*EVERY, alias=alias), RULE) == []


def test_a_version_newer_than_what_is_read_stays() -> None:
    alias = Alias(version=1, newest=3, previous=3, since_ms=NOW - 25 * HOUR)
    assert removable(present(*EVERY, alias=alias), RULE) == []


def test_what_was_rolled_back_from_is_still_kept_when_it_was_the_previous() -> None:
    alias = Alias(version=3, newest=3, previous=1, since_ms=NOW - 25 * HOUR)
    assert removable(present(*EVERY, alias=alias), RULE) == []


@pytest.mark.parametrize("use", [{"leases": {1: NOW - APART + 1}}, {"commits": {1: NOW - APART + 1}}])
def test_what_is_read_or_written_stays(use: dict[str, Any]) -> None:
    assert removable(present(*EVERY, alias=OLD, **use), RULE) == []


@pytest.mark.parametrize("use", [{"leases": {1: NOW - APART}}, {"commits": {1: NOW - APART}}])
def test_who_has_been_silent_for_long_keeps_nothing(use: dict[str, Any]) -> None:
    assert numbers(removable(present(*EVERY, alias=OLD, **use), RULE)) == [1]


def test_a_version_without_any_name_stays() -> None:
    assert removable(present(*EVERY), RULE) == []


@pytest.mark.parametrize("state", ["filling", "deleting"])
def test_a_load_or_a_deletion_goes_when_it_is_dead(state: str) -> None:
    alive = version(1, state=state, alive_ms=NOW - APART)
    dead = version(2, state=state, alive_ms=NOW - APART - 1)
    silent = version(3, state=state)
    assert numbers(removable(present(alive, dead, silent), RULE)) == [2, 3]


def test_a_removal_that_is_not_decided_is_no_removal_and_is_taken_back_when_it_is_dead() -> None:
    alive = version(1, state="leaving", alive_ms=NOW - APART)
    dead = version(2, state="leaving", alive_ms=NOW - APART - 1)
    assert removable(present(alive, dead), RULE) == []
    assert numbers(undecided(present(alive, dead, *EVERY))) == [2]


def test_versions_that_are_not_ready_count_for_none_that_may_be_rolled_back_to() -> None:
    half = [version(1), version(2, state="filling", alive_ms=NOW), version(3)]
    alias = Alias(version=3, newest=3, previous=None, since_ms=NOW - 25 * HOUR)
    assert removable(present(*half, alias=alias), RULE) == []


def test_who_uses_a_version_is_said_in_words() -> None:
    load = version(4, writer="load_popular@4", state="filling", made_by="ada", alive_ms=NOW)
    found = present(*EVERY, load, leases={1: NOW + 1}, commits={2: NOW})
    assert [in_use(item, found) for item in (*EVERY, load)] == [
        "a models service reads it",
        "its learner popular@2 writes it",
        None,
        "ada loads it, or did until a moment ago",
    ]


def test_who_watches_believes_no_clock_but_what_changes() -> None:
    behind = version(1, state="filling", alive_ms=NOW - 20 * HOUR)
    ahead = version(2, state="filling", alive_ms=NOW + 20 * HOUR)
    silent = frozenset[Sign]({("load", ahead.title)})
    assert numbers(removable(present(behind, ahead, silent=silent), RULE)) == [2]
    assert numbers(removable(present(*EVERY, alias=OLD, commits={1: NOW - 20 * HOUR}, silent=silent), RULE)) == []
    gone = frozenset[Sign]({("commit", TITLE)})
    assert numbers(removable(present(*EVERY, alias=OLD, commits={1: NOW + 20 * HOUR}, silent=gone), RULE)) == [1]


def test_a_lease_that_ends_in_years_counts_while_it_is_renewed() -> None:
    leases = {1: NOW + 9_000 * HOUR}
    assert removable(present(*EVERY, alias=OLD, leases=leases, silent=frozenset()), RULE) == []
    gone = frozenset[Sign]({("lease", TITLE)})
    assert numbers(removable(present(*EVERY, alias=OLD, leases=leases, silent=gone), RULE)) == [1]


def test_a_state_that_is_not_known_is_kept_and_said_to_be_in_use() -> None:
    later = version(4, state="archived")
    assert removable(present(later), RULE) == []
    assert in_use(later, present(later)) == "it is archived, which a later release knows"
