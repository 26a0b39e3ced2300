"""A unit's fence as a document, and what it says to a claim. Pure but for its types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from storage.descriptor import Descriptor
from storage.search_index import state_id
from storage.unit import Claim, Outcome, UnitId, UnitState


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
        """As the document has it."""
        return cls(**{name: source[name] for name in cls.__dataclass_fields__})

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


def names_of(descriptor: Descriptor, members: Mapping[str, Any] | None) -> list[str]:
    """Names of the units that write a storage, of all that its generation has, by partition."""
    names = [] if members is None else members["units"]
    split = (name.rpartition("/") for name in names)
    found = sorted(int(partition) for topic, _, partition in split if topic == descriptor.topic)
    return [f"{descriptor.topic}/{partition}" for partition in found]


def state_of(descriptor: Descriptor, name: str, source: Mapping[str, Any]) -> UnitState:
    """How far a unit is."""
    topic, _, partition = name.rpartition("/")
    unit = UnitId(descriptor.learner, descriptor.version, descriptor.generation, topic, int(partition))
    fence = Fence.of(source)
    return UnitState(unit, fence.epoch, fence.next, fence.watermark_ms, fence.committed_ms)
