"""One person's rows in all storages: found, judged whether they may go, and removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from millrace.erasure.person import Person
from millrace.erasure.report import Place, Report
from millrace.platform import Platform
from schemas.errors import MillraceError
from storage import Descriptor, StorageError, Technology
from storage.erasure import Traces, by_generation, remove, traces

PUT = frozenset({"records", "vectors", "parameters", "documents"})
"""Formats whose rows are under the key of the topic."""
_BY_PARTITION = frozenset({"SeenIds", "SourceMarks"})
"""Records of a learner's own, under the number of a partition."""
_MODEL = "what models have learned of it, as numbers, cannot be told apart: train a new version where that must go"


@dataclass(frozen=True)
class Version:
    """A storage's version in which there is something to be said of the person.

    Attributes:
        taken: what is found in it may be removed.
    """

    technology: Technology
    descriptor: Descriptor
    found: Traces
    taken: bool

    @property
    def place(self) -> Place:
        """What a report says of it."""
        said = []
        if not self.taken:
            said.append("not touched: it is left out, or its topic declares nobody (`--undeclared` takes it in)")
        if self.found.mentions:
            keys = ", ".join(self.found.mentions[:3])
            said.append(f"{len(self.found.mentions)} rows of others have the text in them, such as {keys[:80]}")
        if self.descriptor.format == "parameters":
            said.append(_MODEL)
        if self.found.gone and self.descriptor.technology == "cassandra" and self.taken:
            said.append("its files hold what is removed until they are compacted after gc_grace_seconds (10 days)")
        return Place("storage", self.descriptor.title, self.found.rows, self.found.items, remains="; ".join(said))


class Storages:
    """All that a platform has. Its calls block; what is in the way of one is noted in the report.

    Args:
        left_out, undeclared: see `Erasure`.
    """

    def __init__(
        self, platform: Platform, person: Person, report: Report, left_out: Collection[str], undeclared: bool
    ) -> None:
        self._technologies, self._person, self._report = platform.technologies, person, report
        self._left_out, self._undeclared = set(left_out), undeclared

    def versions(self) -> list[Version]:
        """Those in which the person is found, or might be."""
        found = []
        for name in self._technologies:
            with self._report.noting(name):
                technology = self._technologies[name]
                for descriptor in technology.storages():
                    with self._report.noting(descriptor.title):
                        rows = technology.dump(descriptor)
                        seen = traces(descriptor, rows, self._person.subject, self._keyed(descriptor))
                        if seen.gone or seen.mentions or descriptor.format == "parameters":
                            found.append(Version(technology, descriptor, seen, self._taken(descriptor)))
        return found

    def remove(self, versions: Sequence[Version]) -> None:
        """Remove what is found in these."""
        for name in dict.fromkeys(one.descriptor.technology for one in versions):
            mine = {one.descriptor.title: one for one in versions if one.descriptor.technology == name}
            for group in by_generation(one.descriptor for one in mine.values()).values():
                with self._report.noting(group[0].title):
                    wanted = {item.title: (item, mine[item.title].found.gone) for item in group}
                    remove(mine[group[0].title].technology, wanted)

    def topics(self) -> list[str]:
        """Those that are folded into them; a technology that does not answer is passed over."""
        return [item.topic for name in self._technologies for item in self._descriptors(name) if item.topic]

    def behind(self, ends: Mapping[tuple[str, int], tuple[int, int]]) -> list[str]:
        """A line for each unit that has not folded all up to these ends of logs."""
        found = []
        for name in self._technologies:
            try:
                technology = self._technologies[name]
                for group in by_generation(_folded(technology.storages())).values():
                    found += _lagging(technology, group[0], ends)
            except StorageError as error:
                found.append(f"How far units in {name} are is not known: {error}")
        return found

    def _descriptors(self, name: str) -> Iterable[Descriptor]:
        with suppress(MillraceError):
            return self._technologies[name].storages()
        return ()

    def _keyed(self, descriptor: Descriptor) -> bool:
        """Whether a row's key may be a person: a topic's own key is what its event type says."""
        event_type = self._person.types.get(descriptor.topic)
        if descriptor.format == "parameters" or (descriptor.schema or {}).get("name") in _BY_PARTITION:
            return False
        if event_type is None or descriptor.format not in PUT:
            return True
        return self._person.about.get(descriptor.topic) in (None, event_type.key)

    def _taken(self, descriptor: Descriptor) -> bool:
        named = {descriptor.title, f"{descriptor.technology}/{descriptor.storage}", descriptor.storage}
        declared = not descriptor.topic or descriptor.topic in self._person.about
        return not (named & self._left_out) and (declared or self._undeclared)


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
                f"{descriptor.writer} in {descriptor.technology} stands at {at} of {high} on {topic}/{partition}; "
                "where nobody folds it any more, finish its rebuild or delete the storages of that version"
            )
    return found
