"""A name moves and old versions are collected while a service reads: it reads one version or the other, never nothing.

Whatever one side does between two calls of the other is tried: at each call that a service makes of its storage a
whole collection happens, and at each call that a collector makes a service reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, cast

import pytest

from schemas import Record, encode_record
from storage.address import Address
from storage.alias import Alias
from storage.catalogue import Catalogue
from storage.errors import StorageMissing
from storage.formats.records import Records
from storage.formats.records_reader import RecordsReader
from storage.retention import Retention
from storage.technology import Reads, Technology
from storage.versions import LEAVING, collect, delete, rollback, switch
from storage.writes import Writes
from tests.contracts.conftest import Sides

NOTHING_KEPT = Retention(previous=0, age=timedelta(0))
KEYS = ("ada", "bob", "eve")
READS, COLLECTS = ("listed", "lease", "rows"), ("alter", "leases", "erase")
"""What each side asks and says that the other one may see, or be seen by."""


class Seen(Record):
    """A row, which says of which version it is."""

    version: int


class Interrupted:
    """Reads, or a technology: something happens just before one of these calls.

    Args:
        at: which one, counted from 0.
    """

    def __init__(self, side: Any, names: Collection[str], at: int, happens: Callable[[], None]) -> None:
        self._side, self._names, self._at, self._happens = side, names, at, happens
        self.calls: list[str] = []

    @property
    def happened(self) -> bool:
        return len(self.calls) > self._at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._side, name)
        if name not in self._names:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) == self._at + 1:
                self._happens()
            return found(*arguments, **options)

        return call


class Service:
    """Reads the records of a name, as the models service does."""

    def __init__(self, technology: Technology, reads: Reads, name: str) -> None:
        self.catalogue, self._name = Catalogue({technology.name: reads}), name

    async def look(self) -> None:
        await self.catalogue.refresh()

    async def reads(self) -> int:
        """The version that all rows are of; who is told that it has gone asks once more."""
        reader = self.catalogue.reader(RecordsReader, self._name, record=Seen)
        try:
            rows = await reader.get_many(KEYS)
        except StorageMissing:
            rows = await reader.get_many(KEYS)
        found: set[int | None] = {None if row is None else row.version for row in rows}
        [version] = found
        assert version is not None, "it read nothing"
        return version


def loaded(technology: Technology, name: str) -> None:
    """Two versions of some records; the name stands for the first."""
    for version in (1, 2):
        item = Records(name, Seen).describe(f"load_{name}_{version}", version, version, "")
        found = technology.declare(replace(item, technology=technology.name))
        row = encode_record(Seen.avro_schema(), {"version": version})
        rows = {Address(item.storage, key): row for key in KEYS}
        technology.fill(found, Writes(puts=rows))


def moves(technology: Technology, name: str) -> None:
    """The name moves, and what it has left is collected at once."""
    switch(technology, "records", name, 2)
    collect(technology, NOTHING_KEPT)


def test_whenever_a_name_moves_and_its_version_is_collected_a_service_reads_one_of_the_two(sides: Sides) -> None:
    for step, name in names():
        loaded(sides.technology, name)
        reads = Interrupted(sides.reads, READS, step, partial(moves, sides.technology, name))
        service = Service(sides.technology, cast(Reads, reads), name)

        async def serve(service: Service = service) -> list[int]:
            await service.look()
            found = [await service.reads()]
            await service.look()
            return [*found, await service.reads()]

        found = sides.ask(serve())
        assert found == sorted(found), "a name moved back"
        if not reads.happened:
            assert set(reads.calls) == set(READS)
            return
        sides.ask(service.look())
        assert sides.ask(service.reads()) == 2


@pytest.mark.parametrize("back", [False, True], ids=["read", "rolled back and read"])
def test_at_whichever_step_of_a_collection_a_service_reads_it_reads_a_version_that_stays(
    sides: Sides, back: bool
) -> None:
    for step, name in names():
        loaded(sides.technology, name)
        service = Service(sides.technology, sides.reads, name)
        sides.ask(service.look())
        switch(sides.technology, "records", name, 2)
        moved: list[Alias] = []

        def happens(service: Service = service, name: str = name, moved: list[Alias] = moved) -> None:
            if back:
                try:
                    moved.append(rollback(sides.technology, "records", name))
                except StorageMissing:  # it is marked, or gone
                    return
                sides.ask(service.look())
            sides.ask(service.reads())

        technology = Interrupted(sides.technology, COLLECTS, step, happens)
        collect(cast(Technology, technology), NOTHING_KEPT)
        assert sides.ask(service.reads()) in (1, 2)
        sides.ask(service.look())
        assert sides.ask(service.reads()) == (1 if moved else 2), "what was switched or rolled back to is read"
        if not technology.happened:
            assert set(technology.calls) == set(COLLECTS)
            return


def test_what_a_service_has_left_is_collected_when_its_lease_has_ended(sides: Sides) -> None:
    loaded(sides.technology, "seen")
    service = Service(sides.technology, sides.reads, "seen")
    sides.ask(service.look())
    assert sides.ask(service.reads()) == 1
    [title] = sides.technology.leases()
    moves(sides.technology, "seen")
    assert sides.ask(service.reads()) == 1, "it has not looked since"
    sides.technology.release([title])
    assert [item.title for item in collect(sides.technology, NOTHING_KEPT)] == [title]
    sides.ask(service.look())
    assert sides.ask(service.reads()) == 2


def test_who_reads_what_is_removed_by_force_is_told_before_its_rows_go(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(sides.technology, "seen")
    service = Service(sides.technology, sides.reads, "seen")
    sides.ask(service.look())
    reader = service.catalogue.reader(RecordsReader, "seen", record=Seen)
    told: list[float] = []

    def waits(seconds: float) -> None:
        assert None not in sides.ask(reader.get_many(KEYS)), "the rows are still there"
        sides.ask(service.look())
        told.append(seconds)

    monkeypatch.setattr("storage.versions.sleep", waits)
    assert sides.ask(service.reads()) == 1
    assert delete(sides.technology, "records", "seen", force=True) == 2
    assert told == [LEAVING]
    with pytest.raises(StorageMissing):
        sides.ask(reader.get_many(KEYS))


def names() -> Iterator[tuple[int, str]]:
    """Steps, each with a name of its own."""
    return ((step, f"seen_{step}") for step in count())
