"""What storages hold of one person, and its end: rows under that key, and members and fields of that name.

Rows that a learner writes go under its fence: the unit is claimed, so that whoever had it can commit nothing any more;
they are removed under that claim, and the unit stays where it stands. A worker that runs finds that it was claimed
away, forgets what it held, claims the unit again and reads back what is there then. Nothing is released: a claim ends
with the next one.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import Fenced, StorageUnavailable
from storage.technology import Gone, Row, Technology
from storage.unit import UnitState

TRIES = 20
"""So often a unit is claimed that others claim at the same moment."""
SHORTEST = 4
"""Bytes of a text that is looked for inside of rows; a shorter one is in many by chance."""


@dataclass(frozen=True)
class Traces:
    """What a version holds of somebody.

    Attributes:
        gone: what can be removed: rows, and members or fields of rows.
        mentions: keys of rows that are somebody else's or nobody's, and have the text among their bytes.
    """

    gone: Gone = field(default_factory=dict)
    mentions: Sequence[str] = ()

    @property
    def rows(self) -> int:
        """How many whole rows."""
        return sum(items is None for items in self.gone.values())

    @property
    def items(self) -> int:
        """How many members and fields of other rows."""
        return sum(len(items) for items in self.gone.values() if items is not None)


def traces(descriptor: Descriptor, rows: Iterable[tuple[Address, Row]], subject: str, keyed: bool = True) -> Traces:
    """Look through all rows of a version.

    Args:
        keyed: whether its rows may be under such a key; False = a key that reads the same means something else.
    """
    text = subject.encode()
    gone: dict[Address, frozenset[str] | None] = {}
    mentions: list[str] = []
    for address, row in rows:
        if keyed and subject in (address.key, _within_window(descriptor, address.key)):
            gone[address] = None
        elif isinstance(row, bytes):
            if len(text) >= SHORTEST and text in row:
                mentions.append(address.key)
        elif subject in row:
            gone[address] = frozenset([subject])
    return Traces(gone, mentions)


def remove(technology: Technology, found: Mapping[str, tuple[Descriptor, Gone]]) -> None:
    """Remove what was found in versions of one generation, by title, with a claim of each of its units. Blocks.

    May be done again at any time, also after it was interrupted.

    Raises:
        StorageUnavailable: others have claimed a unit again and again, or a storage is away.
        UnknownOutcome: some may have gone; do it again.
    """
    wanted = [(descriptor, gone) for descriptor, gone in found.values() if gone]
    if not wanted:
        return
    units = technology.units(wanted[0][0]) if wanted[0][0].topic else []
    for state in units:
        _under_claim(technology, state, wanted)
    if not units:  # it was loaded, or nobody has ever claimed it
        for descriptor, gone in wanted:
            technology.remove(descriptor, None, gone)


def _under_claim(technology: Technology, state: UnitState, wanted: Sequence[tuple[Descriptor, Gone]]) -> None:
    for attempt in range(TRIES):
        claim = technology.claim(state.unit, secrets.token_hex(16))
        try:
            for descriptor, gone in wanted:
                technology.remove(descriptor, claim, gone)
        except Fenced:
            time.sleep(random.random() * 0.01 * 2 ** min(attempt, 6))
        else:
            return
    unit = state.unit
    raise StorageUnavailable(
        f"{unit.topic}/{unit.partition} of {unit.learner} is claimed by others again and again; erase again later."
    )


def by_generation(descriptors: Iterable[Descriptor]) -> dict[tuple[str, str, int], list[Descriptor]]:
    """Versions that share units: those of one learner's generation, by topic, learner and generation."""
    found: dict[tuple[str, str, int], list[Descriptor]] = {}
    for descriptor in descriptors:
        found.setdefault((descriptor.topic, descriptor.learner, descriptor.generation), []).append(descriptor)
    return found


def _within_window(descriptor: Descriptor, key: str) -> str | None:
    """What a window's key is without its start; see `formats/window.py`."""
    return key.partition("/")[2] if "window_ms" in descriptor.options else None
