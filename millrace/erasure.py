"""One person's events and rows found everywhere, removed, and looked for again; and a report of what remains where."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from millrace.archive import ArchiveMissing, every_event_type, shelf_of
from millrace.platform import Platform
from schemas import Audit, Decision, EventType
from schemas.errors import MillraceError
from storage import Descriptor, StorageError, Technology
from storage.erasure import Traces, by_generation, remove, traces
from streams.dead_letters.dead_letters import dead_letter_topic

if TYPE_CHECKING:
    from streams.archive import ArchiveTable

PUT = frozenset({"records", "vectors", "parameters", "documents"})
"""Formats whose rows are under the key of the topic."""
ROUNDS = 3
"""So often it is removed what is found when looking again."""
AGAIN = 1.0
"""Seconds until it is looked again, in which what was under way arrives."""
_ABOUT = {Decision.event_type.topic: "unit"}
"""Whom the platform's own events are about."""
_BY_PARTITION = frozenset({"SeenIds", "SourceMarks"})
"""Records of a learner's own, under the number of a partition."""
_ORPHANS = timedelta(hours=25)
_MODEL = "what models have learned of it, as numbers, cannot be told apart: train a new version where that must go"


@dataclass
class Place:
    """What is done at one place.

    Attributes:
        kind: storage, archive or topic.
        place: a version's title, the archive's place, or a topic.
        rows: found: rows, or an archive's events.
        items: of other rows members and fields found; of a topic None.
        left: what is found after it was removed.
        remains: what stays there, and until when; empty = nothing that is known.
    """

    kind: str
    place: str
    rows: int | None = None
    items: int | None = None
    left: int | None = None
    remains: str = ""


@dataclass
class Report:
    """What an erasure has found and done.

    Attributes:
        id: names it in the audit log, which does not name the person.
        erased: False = it was only looked.
        complete: nothing of what can be removed was found when it was looked again, and nothing was in its way.
        behind: units and archives that have events before them which were there when it began; what of them is the
            person's comes back. Erase again then.
        problems: what could not be looked at or removed.
    """

    id: str
    subject: str
    at: str
    erased: bool = False
    complete: bool = False
    places: list[Place] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Version:
    technology: Technology
    descriptor: Descriptor
    found: Traces
    taken: bool


class Erasure:
    """Looks for one person, and removes what is found. Its calls block.

    Args:
        subject: the person, as events name it.
        left_out: titles of versions, or of storages, that are not touched: a key that reads the same is no person's.
        undeclared: also what is folded from topics whose events do not say whom they are about.
    """

    def __init__(
        self, platform: Platform, subject: str, left_out: Collection[str] = (), undeclared: bool = False
    ) -> None:
        self._platform, self._subject = platform, subject
        self._left_out, self._undeclared = set(left_out), undeclared
        self._types = {one.topic: one for one in every_event_type(platform.registry)}
        self._about = {
            **{topic: one.about for topic, one in self._types.items() if one.about is not None},
            **{topic: name for topic, name in _ABOUT.items() if topic in self._types},
        }
        self.report = Report(uuid.uuid4().hex, subject, datetime.now(UTC).isoformat(timespec="seconds"))

    def look(self) -> Report:
        """Find it everywhere; nothing is changed."""
        versions = self._versions()
        self.report.places = [*map(self._storage, versions), *self._archives(), *self._topics()]
        return self.report

    def erase(self, patience: float) -> Report:
        """Remove it, and look again.

        Args:
            patience: seconds that units and archives may take to come to where their logs end now. Events that they
                have not had then are folded later, and what is the person's among them is there again.
        """
        report = self.look()
        report.erased = True
        self._wait(patience)
        self._erase_archives()  # first: a rebuild that begins now must not find there what is removed from storages
        left: dict[str, Traces] = {}
        for number in range(ROUNDS):
            if number:
                time.sleep(AGAIN)
            versions = [one for one in self._versions() if one.taken]
            left = {one.descriptor.title: one.found for one in versions if one.found.gone}
            if number and not left:
                break
            self._remove(versions)
        for place in report.places:
            if place.kind == "storage" and not place.remains.startswith("not touched"):
                traces = left.get(place.place, Traces())
                place.left = traces.rows + traces.items
        places = [place for place in report.places if place.left is not None]
        report.complete = not (report.behind or report.problems or any(place.left for place in places))
        self._tell()
        return report

    def _versions(self) -> list[_Version]:
        found = []
        for name in self._platform.technologies:
            with self._noting(name):
                technology = self._platform.technologies[name]
                for descriptor in technology.storages():
                    with self._noting(descriptor.title):
                        rows = technology.dump(descriptor)
                        seen = traces(descriptor, rows, self._subject, self._keyed(descriptor))
                        if seen.gone or seen.mentions or descriptor.format == "parameters":
                            found.append(_Version(technology, descriptor, seen, self._taken(descriptor)))
        return found

    def _keyed(self, descriptor: Descriptor) -> bool:
        """Whether a row's key may be a person: a topic's own key is what its event type says."""
        event_type = self._types.get(descriptor.topic)
        if descriptor.format == "parameters" or (descriptor.schema or {}).get("name") in _BY_PARTITION:
            return False
        if event_type is None or descriptor.format not in PUT:
            return True
        return self._about.get(descriptor.topic) in (None, event_type.key)

    def _taken(self, descriptor: Descriptor) -> bool:
        named = {descriptor.title, f"{descriptor.technology}/{descriptor.storage}", descriptor.storage}
        declared = not descriptor.topic or descriptor.topic in self._about
        return not (named & self._left_out) and (declared or self._undeclared)

    def _storage(self, one: _Version) -> Place:
        said = []
        if not one.taken:
            said.append("not touched: it is left out, or its topic declares nobody (`--undeclared` takes it in)")
        if one.found.mentions:
            keys = ", ".join(one.found.mentions[:3])
            said.append(f"{len(one.found.mentions)} rows of others have the text in them, such as {keys[:80]}")
        if one.descriptor.format == "parameters":
            said.append(_MODEL)
        if one.found.gone and one.descriptor.technology == "cassandra" and one.taken:
            said.append("its files hold what is removed until they are compacted after gc_grace_seconds (10 days)")
        return Place("storage", one.descriptor.title, one.found.rows, one.found.items, remains="; ".join(said))

    def _remove(self, versions: Sequence[_Version]) -> None:
        for name in dict.fromkeys(one.descriptor.technology for one in versions):
            mine = {one.descriptor.title: one for one in versions if one.descriptor.technology == name}
            for group in by_generation(one.descriptor for one in mine.values()).values():
                with self._noting(group[0].title):
                    wanted = {item.title: (item, mine[item.title].found.gone) for item in group}
                    remove(mine[group[0].title].technology, wanted)

    def _tables(self) -> Iterator[tuple[ArchiveTable, EventType, list[str]]]:
        """The archive of each topic that says whom it is about, and the values to look for."""
        try:
            shelf = shelf_of(self._platform.settings)
        except ArchiveMissing:
            return
        for topic, about in self._about.items():
            hidden = shelf.pseudonyms.every(self._subject) if shelf.pseudonyms is not None else []
            yield (
                shelf.table(topic),
                self._types[topic],
                [self._subject, *(hidden if about in self._hashed(topic) else ())],
            )

    def _hashed(self, topic: str) -> Sequence[str]:
        return self._types[topic].hashed

    def _archives(self) -> list[Place]:
        from streams.archive.erasing import count

        found = []
        for table, event_type, values in self._tables():
            with self._noting(table.place):
                rows = count(table, self._about[event_type.topic], values)
                if rows:
                    found.append(Place("archive", table.place, rows))
        return found

    def _erase_archives(self) -> None:
        from streams.archive.erasing import count, erase

        places = {place.place: place for place in self.report.places if place.kind == "archive"}
        for table, event_type, values in self._tables():
            with self._noting(table.place):
                if not table.look():
                    continue
                about = self._about[event_type.topic]
                gone = erase(table, about, values)
                place = places.get(table.place)
                if place is None:
                    place = Place("archive", table.place)
                    self.report.places.append(place)
                place.rows, place.left = gone, count(table, about, values)
                until = (datetime.now(UTC) + _ORPHANS).isoformat(timespec="minutes")
                place.remains = f"files of commits that came to nothing go by {until}, where an archiver runs"

    def _topics(self) -> list[Place]:
        """The logs: Kafka removes whole segments by time, and single events never."""
        with self._noting("Kafka"):
            there = set(self._platform.topics.names())
            letters = {dead_letter_topic(topic) for topic in self._about}
            units = {item.topic for item in self._descriptors() if item.topic in self._types}
            wanted = sorted(there & {*self._about, *letters, *(units & self._about.keys()), *_ABOUT})
            return [Place("topic", topic, remains=self._kept(topic)) for topic in wanted]
        return []

    def _descriptors(self) -> Iterable[Descriptor]:
        for name in self._platform.technologies:
            with suppress(MillraceError):
                yield from self._platform.technologies[name].storages()

    def _kept(self, topic: str) -> str:
        found = self._platform.topics.config(topic)
        if "compact" in found.get("cleanup.policy", ""):
            return "compacted: the newest event of each key stays; a message of that key without a value removes it"
        milliseconds = int(found.get("retention.ms", -1))
        if milliseconds < 0:
            return (
                "kept without limit (retention.ms=-1): set one, or remove all events up to an offset with Kafka's "
                "kafka-delete-records"
            )
        until = datetime.now(UTC) + timedelta(milliseconds=milliseconds)
        return f"the log keeps what is there now until {until:%Y-%m-%d %H:%M} UTC, a segment longer at most"

    def _wait(self, patience: float) -> None:
        """Until units and archives have had what is in the logs now, or patience is at an end."""
        topics = [*{*self._about, *(item.topic for item in self._descriptors() if item.topic)}]
        there = set(self._platform.topics.names())
        ends = self._platform.topics.ends([topic for topic in topics if topic in there])
        until = time.monotonic() + patience
        while self._behind(ends) and time.monotonic() < until:
            time.sleep(0.5)
        self.report.behind = self._behind(ends)

    def _behind(self, ends: Mapping[tuple[str, int], tuple[int, int]]) -> list[str]:
        found = []
        for name in self._platform.technologies:
            try:
                technology = self._platform.technologies[name]
                for group in by_generation(_folded(technology.storages())).values():
                    found += _lagging(technology, group[0], ends)
            except StorageError as error:
                found.append(f"How far units in {name} are is not known: {error}")
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

    def _tell(self) -> None:
        """Put it into the audit log, without a name."""
        with self._noting("The audit log"):
            self._platform.prepare_topic(Audit.event_type)
            status = 200 if self.report.complete else 500
            values = {
                "at": datetime.now(UTC),
                "who": "command line",
                "key": None,
                "action": "erase",
                "target": f"erasure/{self.report.id}",
                "outcome": "done" if self.report.complete else "failed",
                "status": status,
            }
            self._platform.producer.send(Audit.event_type, values)
            self._platform.producer.flush()

    def _noting(self, what: str) -> _Noting:
        return _Noting(self.report, what)


class _Noting:
    """Notes in a report what was in the way, and goes on with what comes next."""

    def __init__(self, report: Report, what: str) -> None:
        self._report, self._what = report, what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, MillraceError):
            return False
        said = f"{self._what}: {error}"
        if said not in self._report.problems:
            self._report.problems.append(said)
        return True


def _folded(descriptors: Sequence[Descriptor]) -> list[Descriptor]:
    """Those that learners may still fold: of each storage the newest version."""
    newest: dict[str, int] = {}
    for item in descriptors:
        newest[item.storage] = max(item.version, newest.get(item.storage, 0))
    return [item for item in descriptors if item.topic and item.version == newest[item.storage]]


def _lagging(
    technology: Technology, descriptor: Descriptor, ends: Mapping[tuple[str, int], tuple[int, int]]
) -> list[str]:
    stands = {state.unit.partition: state.next for state in technology.units(descriptor)}
    found = []
    for (topic, partition), (low, high) in ends.items():
        at = stands.get(partition)
        if topic == descriptor.topic and low < high and (at is None or at < high) and stands:
            found.append(
                f"{descriptor.writer} in {descriptor.technology} stands at {at} of {high} on {topic}/{partition}"
            )
    return found
