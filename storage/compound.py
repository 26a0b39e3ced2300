"""Several technologies under one learner: one holds the state that its fold reads back, the others are derived from it.

There is no atomic step over two servers, so each has a fence and a position of its own. A commit goes to the derived
ones first and to the state last: a derived technology is never behind the state, and after a crash it may be ahead. It
has then seen the events between the two positions, and skips what comes again; so that every commit lies wholly below
its position or wholly above, a claim says where commits have to end (`Claim.cut`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from storage.address import Address
from storage.errors import FormatRefused, SuspectGeneration
from storage.technology import Commits
from storage.unit import Claim, Outcome, UnitId, offset_of
from storage.writes import Writes

Home = Callable[[Address], int]
"""The number of the part that a row belongs to: 0 = the state, then the derived ones."""


class Compound:
    """Commits to several technologies as to one. See `Commits` for what its methods promise; it keeps nothing.

    Args:
        parts: the state, then the derived technologies.
        home: where each row belongs.
    """

    def __init__(self, parts: Sequence[Commits], home: Home) -> None:
        self._state, *self._derived = parts
        self._home = home

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Commits.claim`. The state is claimed first: from then on nobody else can move it past the others.

        Raises:
            SuspectGeneration: a derived technology is behind the state, as it has forgotten what it acknowledged.
        """
        state = self._state.claim(unit, owner)
        derived = tuple(part.claim(unit, owner) for part in self._derived)
        for claim in derived:
            if offset_of(claim.next) < offset_of(state.next):
                raise SuspectGeneration(
                    f"{unit.topic}/{unit.partition} of {unit.learner} is at {state.next} where its state is and at "
                    f"{claim.next} in a technology that is derived from it, which has lost rows; raise the learner's "
                    "version, so that all of it is built anew."
                )
        return Claim(unit, state.epoch, owner, state.next, (state, *derived))

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Commits.read`.

        Raises:
            FormatRefused: a row is not where the state is; derived rows may be ahead of it, and cannot be read back.
        """
        for row in rows:
            if self._home(row):
                raise FormatRefused(
                    f"{row.storage} cannot be read back: the state of {claim.unit.learner} is kept elsewhere. Keep all "
                    "that it reads back in one technology, and name that as the learner's `state`."
                )
        return self._state.read(claim.parts[0], expected, rows)

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Commits.commit`. Sent again after an unknown outcome it goes on where it was."""
        shares = split(writes, self._home, 1 + len(self._derived))
        for part, own, share in zip(self._derived, claim.parts[1:], shares[1:], strict=True):
            if own.next is not None and new <= own.next:
                continue  # it has seen these events
            if own.next is not None and offset_of(expected) < own.next:
                raise ValueError(f"A commit from {expected} to {new} must end at {own.next}; see `Claim.cut`.")
            outcome = part.commit(own, expected, new, share, watermark_ms)
            if outcome not in (Outcome.OK, Outcome.ALREADY):
                return outcome
        return self._state.commit(claim.parts[0], expected, new, shares[0], watermark_ms)


def split(writes: Writes, home: Home, parts: int) -> list[Writes]:
    """The writes of each part."""
    found = [Writes() for _ in range(parts)]
    for address, row in writes.puts.items():
        found[home(address)].puts[address] = row
    for address, sums in writes.sums.items():
        found[home(address)].sums[address] = sums
    for address, weights in writes.scores.items():
        found[home(address)].scores[address] = weights
    for address, scores in writes.ranks.items():
        found[home(address)].ranks[address] = scores
    for storage, at_ms in writes.newest.items():
        found[home(Address(storage, ""))].newest[storage] = at_ms
    return found
