"""Which versions may go, decided without I/O.

A version goes when its name has stood for a newer one for long enough, when it is not among the last few that somebody
may want to roll back to, and when nobody reads it or writes it. What a dead load or an interrupted deletion has left
goes once it has been silent for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.unit import UnitState

LOAD_SILENCE = timedelta(minutes=1)
"""A load, or a deletion, that has said nothing for so long is dead."""
WRITER_SILENCE = timedelta(minutes=1)
"""A unit that has committed nothing for so long is taken for gone."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The rule for one platform.

    Attributes:
        previous: so many versions below the one that the name stands for are kept, whatever their age.
        age: so long after the name has moved nothing is removed.
    """

    previous: int = 1
    age: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Present:
    """One technology as it is now.

    Attributes:
        units: by title, how far the units are that write each version.
        leases: by title, until when it is read, in ms since 1970.
    """

    descriptors: Sequence[Descriptor]
    aliases: Mapping[Name, Alias]
    units: Mapping[str, Sequence[UnitState]]
    leases: Mapping[str, int]
    now_ms: int


def removable(present: Present, retention: Retention) -> list[Descriptor]:
    """The versions that may go now, in the order of the catalogue."""
    return [item for item in present.descriptors if _may_go(item, present, retention)]


def kept_until(
    item: Descriptor, alias: Alias | None, descriptors: Sequence[Descriptor], retention: Retention
) -> int | None:
    """When a version that is ready may go if nobody uses it, in ms since 1970; None = not before its name moves."""
    if alias is None or item.version >= alias.version:
        return None
    if retention.previous and item.version == alias.previous:
        return None
    between = [
        other
        for other in descriptors
        if other.place == item.place and other.state == "ready" and item.version < other.version < alias.version
    ]
    return alias.since_ms + _ms(retention.age) if len(between) >= retention.previous else None


def in_use(descriptor: Descriptor, present: Present) -> str | None:
    """Who reads or writes a version now, in words; None = nobody."""
    if present.leases.get(descriptor.title, 0) > present.now_ms:
        return "a models service reads it"
    commits = [unit.committed_ms for unit in present.units.get(descriptor.title, ()) if unit.committed_ms is not None]
    if max(commits, default=0) > present.now_ms - _ms(WRITER_SILENCE):
        return f"its learner {descriptor.writer} writes it"
    if descriptor.state == "filling" and not _is_dead(descriptor, present.now_ms):
        return f"{descriptor.made_by} loads it"
    return None


def _may_go(item: Descriptor, present: Present, retention: Retention) -> bool:
    if item.state != "ready":
        return _is_dead(item, present.now_ms)
    until = kept_until(item, present.aliases.get(item.place), present.descriptors, retention)
    return until is not None and until <= present.now_ms and in_use(item, present) is None


def _is_dead(item: Descriptor, now_ms: int) -> bool:
    return (item.alive_ms or 0) < now_ms - _ms(LOAD_SILENCE)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
