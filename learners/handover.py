"""From where a new version has its events: what of an archive it folds, and where the log takes over. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from learners.declaration import Declaration
from learners.errors import LearnerRefused
from learners.plan import outside
from schemas import EventType
from streams.errors import ArchiveBehind

Stretch = tuple[int, int]
"""The first offset that is to be folded, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one partition stands.

    Attributes:
        position: of the new version's unit; None = it has folded nothing.
        archived: the next offset to archive; None = nothing of it is archived.
        low, high: the first offset that the log holds, and the one behind its last.
    """

    position: int | None
    archived: int | None
    low: int
    high: int

    @property
    def handover(self) -> int | None:
        """Where the log takes over, once the archive is folded; None = at its beginning."""
        known = [at for at in (self.position, self.archived) if at is not None]
        return max(known, default=None)


def stretches(topic: str, places: Mapping[int, Place], again: bool = False) -> dict[int, Stretch]:
    """What of the archive is to be folded, by partition; of a partition that needs nothing, nothing.

    Args:
        again: the archive was folded up to its end, which has moved on since: only what the log has lost meanwhile.

    Raises:
        ArchiveBehind: there are events that neither the archive nor the log has.
    """
    for partition, place in places.items():
        at = place.handover
        if at is not None and outside(at, place.low, place.high):
            raise ArchiveBehind(topic, partition, at, place.low, place.high)
    found = {at: (place.position or 0, place.archived or 0) for at, place in places.items()}
    missing = {at: stretch for at, stretch in found.items() if stretch[0] < stretch[1]}
    return {at: stretch for at, stretch in missing.items() if not again or stretch[0] < places[at].low}


def must_be_in_an_archive(declaration: Declaration, registered: EventType) -> None:
    """Raise LearnerRefused for a learner whose fold cannot be repeated from an archive.

    Args:
        registered: the topic's event type as the archive follows it.
    """
    hidden = sorted({*declaration.event_type.hashed, *registered.hashed} & {*declaration.event_type.frame_schema})
    if hidden:
        raise LearnerRefused(
            f"{declaration.name} reads {', '.join(hidden)} of {declaration.topic}, which the archive keeps as "
            "pseudonyms: its rows would be other ones than live. Raise the learner's version and start its workers, "
            "which fold the log anew."
        )
    if declaration.marks is not None:
        raise LearnerRefused(
            f"{declaration.name} folds {declaration.topic}, which learners write, or which is derived from another "
            "topic. An archive does not keep what each of its events came from, and could not tell those that were "
            "written twice: raise the learner's version and start its workers, which fold the log anew."
        )
    if declaration.emits:
        topics = ", ".join(emit.topic for emit in declaration.emits.values())
        raise LearnerRefused(
            f"{declaration.name} emits to {topics}, where a rebuild would emit once more what it has emitted before: "
            "raise the learner's version and start its workers, if that is meant."
        )
