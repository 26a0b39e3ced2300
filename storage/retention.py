"""Which versions may go, decided without I/O.

A version goes when its name has stood for a newer one for long enough, when it is not among the last few that somebody
may want to roll back to, and when nobody reads it or writes it. What a dead load or an interrupted deletion has left
goes once it has been silent for a while.

Nobody's clock is trusted to the minute. Who looks again and again sees whether a sign of life still changes (`Watch`);
who looks once goes by the clocks, and takes them to differ by up to `CLOCKS`: he keeps what he cannot be sure of.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from storage.alias import Alias, Name
from storage.descriptor import STATES, Descriptor
from storage.unit import UnitState

SILENCE = timedelta(minutes=1)
"""A load, a deletion or a unit whose sign of life has been the same for so long is gone. A lease counts by its own end,
and `CLOCKS` longer."""
CLOCKS = timedelta(minutes=15)
"""So much the clocks of two machines may differ."""
Sign = tuple[Literal["load", "commit", "lease"], str]
"""What shows that somebody uses a version, and its title."""


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
        silent: signs of life that have been the same for `SILENCE`; None = nobody has watched them.
    """

    descriptors: Sequence[Descriptor]
    aliases: Mapping[Name, Alias]
    units: Mapping[str, Sequence[UnitState]]
    leases: Mapping[str, int]
    now_ms: int
    silent: frozenset[Sign] | None = None

    def signs(self) -> dict[Sign, Hashable]:
        """What shows that somebody uses a version; it changes as long as he does."""
        found: dict[Sign, Hashable] = {
            ("load", item.title): (item.generation, item.state, item.alive_ms)
            for item in self.descriptors
            if _ends(item)
        }
        for title, states in self.units.items():
            found["commit", title] = tuple(
                (state.unit, state.epoch, state.next, state.committed_ms) for state in states
            )
        for title, until in self.leases.items():
            found["lease", title] = until
        return found


def removable(present: Present, retention: Retention) -> list[Descriptor]:
    """The versions that may go now, in the order of the catalogue."""
    return [item for item in present.descriptors if _may_go(item, present, retention)]


def undecided(present: Present) -> list[Descriptor]:
    """The versions that somebody was going to remove, who has not come so far: their names may have moved to them."""
    return [item for item in present.descriptors if item.state == "leaving" and _is_dead(item, present)]


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
    if is_leased(descriptor, present):
        return "a models service reads it"
    if _is_written(descriptor, present):
        return f"its learner {descriptor.writer} writes it"
    if descriptor.state == "filling" and not _is_dead(descriptor, present):
        return f"{descriptor.made_by} loads it, or did until a moment ago"
    if descriptor.state not in STATES:
        return f"it is {descriptor.state}, which a later release knows"
    return None


def is_leased(item: Descriptor, present: Present) -> bool:
    """Whether somebody says that he reads a version. A lease that lasts longer than any service asks for was written by
    a clock that is wrong: it counts while it is renewed."""
    until = present.leases.get(item.title)
    if until is None or until <= present.now_ms - _ms(CLOCKS):
        return False
    return until <= present.now_ms + _ms(CLOCKS) or ("lease", item.title) not in (present.silent or ())


def _is_written(item: Descriptor, present: Present) -> bool:
    commits = [unit.committed_ms for unit in present.units.get(item.title, ()) if unit.committed_ms is not None]
    if present.silent is None:
        return max(commits, default=0) > present.now_ms - _ms(CLOCKS)
    return bool(commits) and ("commit", item.title) not in present.silent


def _may_go(item: Descriptor, present: Present, retention: Retention) -> bool:
    if item.state != "ready":
        return item.state in ("filling", "deleting") and _is_dead(item, present)
    until = kept_until(item, present.aliases.get(item.place), present.descriptors, retention)
    return until is not None and until <= present.now_ms and in_use(item, present) is None


def _ends(item: Descriptor) -> bool:
    """Whether somebody has to go on with it: with a load, or with a deletion."""
    return item.state in ("filling", "leaving", "deleting")


def _is_dead(item: Descriptor, present: Present) -> bool:
    if present.silent is None:
        return (item.alive_ms or 0) < present.now_ms - _ms(CLOCKS)
    return ("load", item.title) in present.silent


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
