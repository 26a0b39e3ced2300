"""In which order somebody is erased, what others may read again first; and that what is not known is not complete."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl

import millrace as mr
from millrace.archive import shelf_of
from millrace.erasure.archives import Archives
from millrace.erasure.erasure import Erasure
from millrace.erasure.person import Person
from millrace.erasure.report import Report
from millrace.erasure.storages import Storages
from millrace.settings import Settings
from millrace.sources.snapshot import snapshots_of
from schemas import EventType
from storage.erasure import Traces
from storage.errors import StorageUnavailable
from tests.millrace.source_stage import Stage


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


CUSTOMERS = 'path = "customers.csv"\nkey = "customer"\n'
SHOP = "customer,friend\nann lee,\nbob,ann lee\ncarl,\n"


def of(settings: Settings, types: dict[str, EventType] | None = None) -> tuple[Archives, Report]:
    known = types or {}
    about = {topic: one.about for topic, one in known.items() if one.about is not None}
    report = Report("an id", "ann lee", "now")
    return Archives(settings, Person("ann lee", known, about), report), report


def test_snapshots_of_a_source_that_names_its_subject_are_erased_and_looked_at_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.declare(CUSTOMERS + 'subject = "customer"')
    stage.write("customer\nann lee\nbob\n", "customers.csv")
    stage.snapshot()
    stage.declare(CUSTOMERS + 'subject = "customer"\ncolumns = { customer = "text", friend = "text" }')
    stage.write(SHOP, "customers.csv")
    stage.snapshot()

    archives, report = of(stage.settings)
    report.places = archives.places()
    archives.erase()

    (place,) = report.places
    assert (place.kind, place.rows, place.left, report.unjudged, report.problems) == ("source", 2, 0, [], [])
    assert "rows of others have the text in them: 1 in friend; the next snapshot has what the source" in place.remains
    history = mr.scan_source("prices", history=True, settings=stage.settings).sort("valid_from", "customer").collect()
    assert history["customer"].to_list() == ["bob", "bob", "carl"]
    assert not [one for one in Path(place.place).rglob("*.json") if "ann lee" in one.read_text()]
    stage.write("customer,friend\nbob,ann lee\ncarl,\n", "customers.csv")
    assert not stage.snapshot().new


def test_archives_and_sources_that_do_not_say_whom_they_are_about_are_named_and_left_as_they_are(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    stage.declare(CUSTOMERS)
    stage.write(SHOP, "customers.csv")
    stage.snapshot()
    shelf = shelf_of(stage.settings)
    for topic in ("clicks", "forgotten"):
        shelf.table(topic).create({"user": pl.String()})
    clicks = EventType("clicks", {"type": "record", "name": "Click", "fields": [{"name": "user", "type": "string"}]})

    archives, report = of(stage.settings, {"clicks": clicks})
    assert archives.places() == []
    archives.erase()

    told = {line.partition(" does not say whom")[0].rpartition("/")[2]: line for line in report.unjudged}
    assert list(told) == ["clicks", "forgotten", "prices"]
    assert "mr.personal" in told["clicks"]
    assert 'subject = "<column>"' in told["prices"]
    assert told["prices"].endswith("Rows that have the text in them: 1 in customer, 1 in friend.")
    assert snapshots_of("prices", stage.settings).erase("ann lee") == 0
    assert mr.scan_source("prices", settings=stage.settings).collect().height == 3
