"""In which order somebody is erased, what others may read again first; and that what is not known is not complete."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from millrace.erasure.erasure import Erasure
from millrace.erasure.person import Person
from millrace.erasure.report import Report
from millrace.erasure.storages import Storages
from storage.erasure import Traces
from storage.errors import StorageUnavailable


class Noted:
    """Archives that hold nothing."""

    def __init__(self, steps: list[str]) -> None:
        self._steps = steps

    def erase(self) -> None:
        self._steps.append("archives")


class Steps(Erasure):
    """Notes what is done, over places that hold nothing."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.report = Report("an id", "ann", "now")
        self._archives = Noted(self.steps)  # type: ignore[assignment]

    def look(self) -> Report:
        return self.report

    def _remove(self) -> dict[str, Traces]:
        self.steps.append("storages")
        return {}

    def _wait(self, patience: float) -> None:
        self.steps.append("waited")

    def _tell(self) -> None:
        self.steps.append("told")


def test_archives_are_erased_before_storages_so_that_no_rebuild_brings_somebody_back() -> None:
    erasing = Steps()

    assert erasing.erase(patience=0).complete

    assert list(dict.fromkeys(erasing.steps)) == ["waited", "archives", "storages", "told"]


class Away:
    """A technology that does not answer."""

    def storages(self) -> list[object]:
        raise StorageUnavailable("Redis is away.")


def test_where_a_store_does_not_say_how_far_units_are_it_counts_as_behind() -> None:
    platform: Any = SimpleNamespace(technologies={"redis": Away()})
    storages = Storages(platform, Person("ann", {}, {}), Report("an id", "ann", "now"), (), undeclared=False)

    assert storages.behind({}) == ["How far units in redis are is not known: Redis is away."]
