"""One person's rows in the archives of topics and in the snapshots of sources: found and removed by what says whom
they are about; all others are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from millrace.archive import ArchiveMissing, shelf_of
from millrace.erasure.person import Person
from millrace.erasure.report import Place, Report
from millrace.settings import Settings
from schemas import EventType
from schemas.errors import MillraceError

if TYPE_CHECKING:
    from streams.archive import ArchiveTable, Shelf, Snapshots

_ORPHANS = timedelta(hours=25)
_MARK = "mark a field, `Annotated[str, mr.personal]`, or name one as `subject`, and register it"
_NAME = 'write `subject = "<column>"` in its table of product.toml, and take a snapshot'


@dataclass(frozen=True)
class Holding:
    """A table that may have rows of the person.

    Attributes:
        field: what names the person in a row; None = nobody has said that.
        values: what the person is called there.
        hint: how to say it.
    """

    kind: str
    table: ArchiveTable
    field: str | None
    values: list[str]
    hint: str
    snapshots: Snapshots | None = None

    def erase(self) -> int:
        """Remove the rows; how many."""
        from streams.archive.erasing import erase

        assert self.field is not None
        if self.snapshots is not None:
            return self.snapshots.erase(self.values[0])
        return erase(self.table, self.field, self.values)

    @property
    def remains(self) -> str:
        """What is there still once the rows are gone."""
        until = (datetime.now(UTC) + _ORPHANS).isoformat(timespec="minutes")
        if self.snapshots is not None:
            return "the next snapshot has what the source has then: have it removed there, too"
        return f"files of commits that came to nothing go by {until}, where an archiver runs"


class Archives:
    """All that a platform has; none where it archives nothing. Its calls block; what is in the way of one is noted in
    the report."""

    def __init__(self, settings: Settings, person: Person, report: Report) -> None:
        self._settings, self._person, self._report = settings, person, report

    def places(self) -> list[Place]:
        """Those in which the person is found, or named; what does not say whom it is about is noted in the report."""
        from streams.archive.erasing import count, mentions

        found = []
        for holding in self._all():
            with self._report.noting(holding.table.place):
                if not holding.table.look():
                    continue
                rows = 0 if holding.field is None else count(holding.table, holding.field, holding.values)
                named = mentions(holding.table, holding.values, holding.field)
                said = ", ".join(f"{rows:,} in {name}" for name, rows in named.items())
                if holding.field is None:
                    text = f" Rows that have the text in them: {said}." if said else ""
                    self._report.unjudged.append(
                        f"The {holding.kind} {holding.table.place} does not say whom its rows are about, so none of "
                        f"them was removed: {holding.hint}.{text}"
                    )
                elif rows or named:
                    remains = f"rows of others have the text in them: {said}" if said else ""
                    found.append(Place(holding.kind, holding.table.place, rows, remains=remains))
        return found

    def erase(self) -> None:
        """Remove the person's rows; the report's places say how many, and what is left."""
        from streams.archive.erasing import count

        places = {place.place: place for place in self._report.places if place.kind in ("archive", "source")}
        for holding in self._all():
            with self._report.noting(holding.table.place):
                if holding.field is None or not holding.table.look():
                    continue
                gone = holding.erase()
                place = places.get(holding.table.place)
                if place is None:
                    place = Place(holding.kind, holding.table.place)
                    self._report.places.append(place)
                place.rows, place.left = gone, count(holding.table, holding.field, holding.values)
                place.remains = "; ".join(filter(None, [place.remains, holding.remains]))

    def behind(self, ends: Mapping[tuple[str, int], tuple[int, int]]) -> list[str]:
        """A line for each partition that is not archived up to these ends of logs."""
        found = []
        for table, event_type in self._declared():
            try:
                if not event_type.archived or not table.look():
                    continue
                for (topic, partition), (low, high) in ends.items():
                    at = table.position(partition) or low
                    if topic == event_type.topic and low < high and at < high:
                        found.append(f"The archive of {topic} has {at} of {high} events of partition {partition}")
            except MillraceError as error:
                found.append(f"How far the archive of {event_type.topic} is is not known: {error}")
        return found

    def _declared(self) -> Iterator[tuple[ArchiveTable, EventType]]:
        shelf = self._shelf()
        if shelf is None:
            return
        for topic in self._person.about:
            yield shelf.table(topic), self._person.types[topic]

    def _all(self) -> Iterator[Holding]:
        """All that the archive has, whoever knows it still."""
        shelf = self._shelf()
        if shelf is None:
            return
        person, topics, sources = self._person, list[str](), list[str]()
        with self._report.noting("The archive"):
            topics, sources = sorted({*shelf.topics(), *person.about}), shelf.sources()
        hidden = shelf.pseudonyms.every(person.subject) if shelf.pseudonyms is not None else []
        for topic in topics:
            about, event_type = person.about.get(topic), person.types.get(topic)
            hides = event_type is None or about is None or about in event_type.hashed
            values = [person.subject, *(hidden if hides else ())]
            yield Holding("archive", shelf.table(topic), about, values, _MARK)
        for name in sources:
            yield self._source(shelf, name)

    def _source(self, shelf: Shelf, name: str) -> Holding:
        from streams.archive import Snapshots

        snapshots = Snapshots(shelf.source(name), name)
        subject = None
        with self._report.noting(snapshots.table.place):
            snapshots.look()
            subject = snapshots.subject
        return Holding("source", snapshots.table, subject, [self._person.subject], _NAME, snapshots)

    def _shelf(self) -> Shelf | None:
        try:
            return shelf_of(self._settings)
        except ArchiveMissing as error:
            said = f"No archive was looked at: {error}"
            if said not in self._report.unjudged:
                self._report.unjudged.append(said)
            return None
