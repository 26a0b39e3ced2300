"""What a technology must do, as the plainest Python that does it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from storage.address import Address
from storage.descriptor import Descriptor
from storage.technology import Newest
from storage.unit import Claim, Outcome, UnitId
from storage.writes import Writes

RECORDS, COUNTS, TREND, PLACES = "records/seen", "counters/views", "ranking/trend", "ranking/places"
STORAGES = [RECORDS, COUNTS, TREND, PLACES]
OTHER = "records/other"
"""A second storage of a format that every technology holds."""


def storage(name: str, learner: str = "watching", version: int = 1, **changes: Any) -> Descriptor:
    """A descriptor of "format/name"."""
    format, _, short = name.partition("/")
    writer = f"{learner}@{version}"
    plain = Descriptor("any", format, short, version, writer, version, "clicks", {}, None, "2026-01-01T00:00:00+00:00")
    return replace(plain, **changes)


def unit(learner: str = "watching", partition: int = 0, version: int = 1, topic: str = "clicks") -> UnitId:
    """A unit of the first generation."""
    return UnitId(learner, version, version, topic, partition)


@dataclass
class Fence:
    """A unit as the storage knows it."""

    epoch: int = 0
    owner: str = ""
    next: int | None = None
    watermark_ms: int | None = None


@dataclass
class Model:
    """One generation of one learner."""

    fences: dict[UnitId, Fence] = field(default_factory=lambda: defaultdict(Fence))
    rows: dict[Address, Any] = field(default_factory=dict)
    newest: dict[str, Newest] = field(default_factory=lambda: defaultdict(Newest))

    def claim(self, unit: UnitId, owner: str) -> Claim:
        fence = self.fences[unit]
        fence.epoch, fence.owner = fence.epoch + 1, owner
        return Claim(unit, fence.epoch, owner, fence.next)

    def refusal(self, claim: Claim, expected: int | None, new: int | None = None) -> Outcome | None:
        fence = self.fences[claim.unit]
        if (claim.epoch, claim.owner) != (fence.epoch, fence.owner):
            return Outcome.FENCED
        if new is not None and fence.next == new:
            return Outcome.ALREADY
        return Outcome.GAP if fence.next != expected else None

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        refused = self.refusal(claim, expected, new)
        if refused is not None:
            return refused
        self._apply(writes)
        fence = self.fences[claim.unit]
        fence.next, fence.watermark_ms = new, largest(fence.watermark_ms, watermark_ms)
        return Outcome.OK

    def dump(self, storage: str) -> dict[Address, Any]:
        return {address: row for address, row in self.rows.items() if address.storage == storage}

    def _apply(self, writes: Writes) -> None:
        self.rows.update(writes.puts)
        added: list[Mapping[Address, Mapping[str, float]]] = [writes.sums, writes.scores]
        for address, amounts in chain.from_iterable(rows.items() for rows in added):
            row = self.rows.setdefault(address, {})
            for item, amount in amounts.items():
                row[item] = row.get(item, 0) + amount
        for address, scores in writes.ranks.items():
            self.rows.setdefault(address, {}).update(scores)
        for address in [*writes.scores, *writes.ranks]:
            seen = self.newest[address.storage]
            self.newest[address.storage] = replace(seen, bucket=largest(seen.bucket, address.bucket))
        for name, at_ms in writes.newest.items():
            self.newest[name] = replace(self.newest[name], at_ms=largest(self.newest[name].at_ms, at_ms))


def largest(*values: int | None) -> int | None:
    """Of those that are known."""
    return max((value for value in values if value is not None), default=None)


def best(row: dict[str, float], size: int) -> list[tuple[str, float]]:
    """By score descending, then by member in the order of code points."""
    return sorted(row.items(), key=lambda item: (-item[1], item[0]))[:size]
