"""The Storages page's words for versions and rows, and who a change affects."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from serving.console import wording
from serving.console.storage_dialogs import command, move
from serving.console.storage_words import NUMBERS, by_place, readers, row, shown, versions
from serving.measurements import Amount, EndpointFacts, Flow, ImplementationFacts, flow
from storage import Alias
from storage.retention import Retention
from tests.serving.measurements.samples import T0, history, sample, state, storage, unit

RULE = Retention(previous=1, age=timedelta(hours=24))
SINCE = round(T0 * 1000)


def shelf(alias: Alias | None, *states: str) -> Flow:
    """Versions of the ranking `popular` from 1 on with these states, written by `learner`, beside `other@2`."""
    items = [
        replace(storage("popular", f"learner@{number}", version=number), state=state)
        for number, state in enumerate(states, start=1)
    ]
    other = storage("other", "learner@2", version=2)
    taken = sample(0, {"ratings": 9}, [state(unit("learner", version=1), 9)], [*items, other])
    aliases = {item.title: alias for item in items} if alias else {}
    amounts = {item.title: Amount(T0, 10, 100) for item in items}
    facts = EndpointFacts("recommend", 0.05, (ImplementationFacts("near", reads=(items[-1].title,)),))
    found = flow(history(replace(taken, aliases=aliases, amounts=amounts)), [facts])
    assert found is not None
    return found


def told(alias: Alias | None, *states: str) -> list[tuple[int, str, str]]:
    every = by_place(shelf(alias, *states))["memory", "ranking", "popular"]
    return [(item.number, item.text.partition(" since")[0], item.ask) for item in versions(every, RULE)]


def test_each_version_says_what_it_is_and_what_can_be_done_with_it() -> None:
    assert told(Alias(3, 3, 2, SINCE), "ready", "ready", "ready", "filling") == [
        (4, "filling", "filling"),
        (3, "current", ""),
        (2, "kept", "rollback"),
        (1, f"kept until {wording.day(T0 + 86_400)}", "switch"),
    ]


def test_what_was_rolled_back_can_be_switched_to_and_what_is_removed_cannot() -> None:
    assert told(Alias(1, 2, 2, SINCE), "ready", "ready", "deleting") == [
        (3, "being deleted", ""),
        (2, "rolled back", "switch"),
        (1, "current", ""),
    ]


def test_a_version_that_catches_up_says_so() -> None:
    assert told(Alias(1, 1, None, SINCE), "ready", "ready")[0] == (2, "catching up", "switch")


def test_the_list_shows_the_version_that_readers_get_or_else_the_newest() -> None:
    every = by_place(shelf(Alias(1, 2, 2, SINCE), "ready", "ready"))["memory", "ranking", "popular"]
    assert shown(every).descriptor.version == 1
    every = by_place(shelf(None, "ready", "ready"))["memory", "ranking", "popular"]
    assert shown(every).descriptor.version == 2


def test_a_move_names_its_readers_and_the_names_that_move_with_it() -> None:
    found = shelf(Alias(1, 2, 2, SINCE), "ready", "ready")
    planned = move("switch", found, by_place(found)["memory", "ranking", "popular"], "2")
    assert planned is not None
    assert (planned.version, planned.now, planned.together) == (2, 1, ["other"])
    assert planned.readers == "recommend (near)"


@pytest.mark.parametrize("version", ["1", "9", "", "x"])
def test_there_is_no_move_to_what_is_read_already_or_does_not_exist(version: str) -> None:
    found = shelf(Alias(1, 2, 2, SINCE), "ready", "ready")
    every = by_place(found)["memory", "ranking", "popular"]
    assert move("switch", found, every, version) is None
    assert move("rollback", found, every, "") is None


def test_rows_of_every_format_become_a_table() -> None:
    ranked = row("ranking", [{"member": "a", "score": 200.0}, {"member": "b", "score": 50.5}])
    assert (ranked.lines, ranked.share) == ([("1", "a", "200.0"), ("2", "b", "50.5")], [1.0, 0.2525])
    assert row("ranking", [{"member": "a", "score": -1.0}]).share == []
    assert row("counters", {"clicks": 12_345}).lines == [("clicks", "12,345")]
    assert row("records", {"title": "Heat", "tags": ["a"], "at": None}).lines == [
        ("title", "Heat"),
        ("tags", '["a"]'),
        ("at", "null"),
    ]
    long = row("vectors", [0.5] * 100)
    assert (len(long.lines), long.more) == (NUMBERS, 100 - NUMBERS)


def test_readers_are_told_by_endpoint_type() -> None:
    assert readers([{"a": ["x"]}, {"a": ["x", "y"], "b": ["z"]}]) == "a (x, y), b (z)"
    assert readers([]) == ""


def test_the_command_says_what_the_form_says() -> None:
    form = {
        "technology": "redis",
        "format": "ranking",
        "name": "popular",
        "ranking.half_life": "6h",
        "records.schema": "x",
    }
    assert command(form) == "millrace storages create redis/ranking/popular --half-life 6h"
    assert command({"technology": "redis", "format": "records", "records.schema": "{}"}) == (
        "millrace storages create redis/records/NAME --schema FILE"
    )
