"""In which order somebody is erased, what others may read again first; and that what is not known is not complete."""

from __future__ import annotations

from types import SimpleNamespace

from millrace.erasure import Erasure, Report
from storage.errors import StorageUnavailable


class Steps(Erasure):
    """Notes what is done, over places that hold nothing."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.report = Report("an id", "ann", "now")

    def look(self) -> Report:
        return self.report

    def _versions(self) -> list[object]:  # type: ignore[override]
        self.steps.append("storages")
        return []

    def _erase_archives(self) -> None:
        self.steps.append("archives")

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


class Unanswered(Steps):
    """Where nobody says how far units are."""

    def __init__(self) -> None:
        super().__init__()
        self._platform = SimpleNamespace(technologies={"redis": Away()})  # type: ignore[assignment]

    def _tables(self) -> list[object]:  # type: ignore[override]
        return []

    def _wait(self, patience: float) -> None:
        self.report.behind = self._behind({})


def test_where_nobody_says_how_far_units_are_it_is_not_complete() -> None:
    report = Unanswered().erase(patience=0)

    assert not report.complete
    assert report.behind == ["How far units in redis are is not known: Redis is away."]
