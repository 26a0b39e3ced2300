"""A unit's fence as a document, and what it says to a claim. Pure but for its types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from storage.descriptor import Descriptor
from storage.entry import TEXT, integer
from storage.errors import SuspectGeneration
from storage.search.index import state_id
from storage.unit import Claim, Outcome, UnitId, UnitState

_PARTITION = re.compile(r"[0-9]{1,19}")
_LONG = integer(-(2**63), 2**63 - 1)
_RULES = {
    "epoch": _LONG,
    "owner": TEXT,
    "next": _LONG.or_null(),
    "watermark_ms": _LONG.or_null(),
    "committed_ms": _LONG.or_null(),
}


@dataclass(frozen=True, slots=True)
class Fence:
    """What is kept of a unit; see `UnitState`. `committed_ms` is by the clock of who committed: the engine has none."""

    epoch: int = 0
    owner: str = ""
    next: int | None = None
    watermark_ms: int | None = None
    committed_ms: int | None = None

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Fence:
        """As the document has it. Raises SuspectGeneration for what is none: any program may have written it."""
        for name, rule in _RULES.items():
            if name not in source:
                raise SuspectGeneration(f"A unit's fence in OpenSearch has no {name!r}: somebody else wrote it.")
            if not rule.fits(source[name]):
                found = f"{source[name]!r:.80} as its {name!r}, which is not {rule.words}"
                raise SuspectGeneration(f"A unit's fence in OpenSearch has {found}: somebody else wrote it.")
        return cls(**{name: source[name] for name in _RULES})

    def source(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    def claimed(self, owner: str) -> Fence:
        """After the next claim."""
        return replace(self, epoch=self.epoch + 1, owner=owner)

    def refusal(self, claim: Claim, expected: int | None, new: int | None = None) -> Outcome | None:
        """Why a claim may not read, or commit `new`, from the position that it expects; None = it may."""
        if (self.epoch, self.owner) != (claim.epoch, claim.owner):
            return Outcome.FENCED
        if new is not None and self.next == new:
            return Outcome.ALREADY
        return Outcome.GAP if self.next != expected else None

    def moved(self, new: int, watermark_ms: int | None, now_ms: int) -> Fence:
        """After a commit."""
        known = [at for at in (self.watermark_ms, watermark_ms) if at is not None]
        return replace(self, next=new, watermark_ms=max(known, default=None), committed_ms=now_ms)


NOBODY = Fence()
"""Of a unit that was never claimed: no claim has its epoch."""


def members_id(writer: UnitId | Descriptor) -> str:
    """The document that names the units of a generation."""
    return state_id("units", f"{writer.learner}@{writer.generation}")


def unit_name(unit: UnitId) -> str:
    """A unit within its generation."""
    return f"{unit.topic}/{unit.partition}"


def fence_id(writer: UnitId | Descriptor, name: str) -> str:
    """The document of a unit's fence."""
    return state_id("unit", f"{writer.learner}@{writer.generation}", name)


def members_of(source: Mapping[str, Any] | None) -> list[str]:
    """Names of all units of a generation, by the document `members_id`; what is no text is no unit's name.

    Raises:
        SuspectGeneration: it has no such names.
    """
    names = [] if source is None else source.get("units")
    if not isinstance(names, list):
        raise SuspectGeneration(
            f"The units of a generation in OpenSearch are {names!r:.80} and no list: somebody else wrote them."
        )
    return [name for name in names if isinstance(name, str)]


def names_of(descriptor: Descriptor, members: Mapping[str, Any] | None) -> list[str]:
    """Names of the units that write a storage, of all that its generation has, by partition.

    Raises:
        SuspectGeneration: a partition is none.
    """
    split = (name.rpartition("/") for name in members_of(members))
    partitions = [partition for topic, _, partition in split if topic == descriptor.topic]
    for partition in partitions:
        if not _PARTITION.fullmatch(partition):
            raise SuspectGeneration(
                f"OpenSearch has {partition!r:.80} where a partition should be: somebody else wrote it."
            )
    found = sorted(map(int, partitions))
    return [f"{descriptor.topic}/{partition}" for partition in found]


def state_of(descriptor: Descriptor, name: str, source: Mapping[str, Any]) -> UnitState:
    """How far a unit is."""
    topic, _, partition = name.rpartition("/")
    unit = UnitId(descriptor.learner, descriptor.version, descriptor.generation, topic, int(partition))
    fence = Fence.of(source)
    return UnitState(unit, fence.epoch, fence.next, fence.watermark_ms, fence.committed_ms)
