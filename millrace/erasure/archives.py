"""One person's events in the archives of the topics that say whom they are about: found and removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from millrace.archive import ArchiveMissing, shelf_of
from millrace.erasure.person import Person
from millrace.erasure.report import Place, Report
from millrace.settings import Settings
from schemas import EventType
from schemas.errors import MillraceError

if TYPE_CHECKING:
    from streams.archive import ArchiveTable

_ORPHANS = timedelta(hours=25)


class Archives:
    """All that a platform has; none where it archives nothing. Its calls block; what is in the way of one is noted in
    the report."""

    def __init__(self, settings: Settings, person: Person, report: Report) -> None:
        self._settings, self._person, self._report = settings, person, report

    def places(self) -> list[Place]:
        """Those in which the person is found."""
        from streams.archive.erasing import count

        found = []
        for table, event_type, values in self._tables():
            with self._report.noting(table.place):
                rows = count(table, self._person.about[event_type.topic], values)
                if rows:
                    found.append(Place("archive", table.place, rows))
        return found

    def erase(self) -> None:
        """Remove the person's events; the report's places say how many, and what is left."""
        from streams.archive.erasing import count, erase

        places = {place.place: place for place in self._report.places if place.kind == "archive"}
        for table, event_type, values in self._tables():
            with self._report.noting(table.place):
                if not table.look():
                    continue
                about = self._person.about[event_type.topic]
                gone = erase(table, about, values)
                place = places.get(table.place)
                if place is None:
                    place = Place("archive", table.place)
                    self._report.places.append(place)
                place.rows, place.left = gone, count(table, about, values)
                until = (datetime.now(UTC) + _ORPHANS).isoformat(timespec="minutes")
                place.remains = f"files of commits that came to nothing go by {until}, where an archiver runs"

    def behind(self, ends: Mapping[tuple[str, int], tuple[int, int]]) -> list[str]:
        """A line for each partition that is not archived up to these ends of logs."""
        found = []
        for table, event_type, _ in self._tables():
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

    def _tables(self) -> Iterator[tuple[ArchiveTable, EventType, list[str]]]:
        """The archive of each topic that says whom it is about, and the values to look for."""
        try:
            shelf = shelf_of(self._settings)
        except ArchiveMissing:
            return
        person = self._person
        for topic, about in person.about.items():
            hidden = shelf.pseudonyms.every(person.subject) if shelf.pseudonyms is not None else []
            event_type = person.types[topic]
            values = [person.subject, *(hidden if about in event_type.hashed else ())]
            yield shelf.table(topic), event_type, values
