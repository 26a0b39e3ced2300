"""In which order somebody is erased: what others may read again goes first."""

from __future__ import annotations

from millrace.erasure import Erasure, Report


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
