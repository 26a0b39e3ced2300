"""Which dead letters were put back, and to which topic, as all processes share it: so that none is put back twice.

A letter is claimed before it is sent, and marked as sent when Kafka has acknowledged it. A process that is killed
between the two leaves letters claimed of which nobody can say whether they were sent: `unsure`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from schemas.table import Rows, Table
from streams.dead_letters.selection import Span


class Row(msgspec.Struct, frozen=True):
    """Letters that were claimed together. `identity` is that of the topic of dead letters, `to` where they go."""

    topic: str
    identity: str
    to: str
    by: str
    at: str
    sent: list[Span] = []
    unsure: list[Span] = []


@dataclass(frozen=True, slots=True)
class Back:
    """Where the letters of a topic are put back to.

    Attributes:
        identity: what tells the topic of dead letters from one of the same name that was deleted before.
    """

    topic: str
    identity: str
    to: str


@dataclass(frozen=True, slots=True)
class Known:
    """Numbers of the letters that were put back, and of those of which that is not known."""

    sent: frozenset[int] = frozenset()
    unsure: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Claim:
    """Letters that only this process puts back now; `again` are those that were sent, or may have been, before."""

    row: Row
    numbers: frozenset[int]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


class Replays:
    """The table of replays. Its calls block, and raise KafkaUnavailable where Kafka is away."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def known(self, back: Back) -> Known:
        """What was done with the letters so far."""
        return _known(self._table.rows(), back)

    def claim(
        self, back: Back, numbers: Collection[int], by: str, *, again: bool = False, unsure: bool = False
    ) -> Claim | None:
        """Claim those of these letters that nobody has claimed; None where all are.

        Args:
            again: also those that were put back.
            unsure: also those of which it is not known.
        """
        claims: list[Claim] = []

        def decide(rows: Rows) -> tuple[str, bytes | None] | None:
            known = _known(rows, back)
            taken = (frozenset() if again else known.sent) | (frozenset() if unsure else known.unsure)
            free = frozenset(numbers) - taken
            claims.clear()
            if not free:
                return None
            at = datetime.now(UTC).isoformat(timespec="seconds")
            row = Row(back.topic, back.identity, back.to, by, at, unsure=spans(free))
            claims.append(Claim(row, free))
            return claims[0].key, msgspec.json.encode(row)

        self._table.change(decide)
        return claims[0] if claims else None

    def settle(self, claim: Claim, sent: Collection[int], unsure: Collection[int]) -> None:
        """Say what became of claimed letters. Those in neither were not sent for certain, and are free again."""
        row = msgspec.structs.replace(claim.row, sent=spans(sent), unsure=spans(unsure))
        value = msgspec.json.encode(row) if sent or unsure else None
        self._table.change(lambda rows: (claim.key, value))


def spans(numbers: Iterable[int]) -> list[Span]:
    """Numbers as spans, ascending."""
    ordered = sorted(numbers)
    if not ordered:
        return []
    breaks = [(left, right) for left, right in pairwise(ordered) if right > left + 1]
    firsts, lasts = [ordered[0], *(right for _, right in breaks)], [*(left for left, _ in breaks), ordered[-1]]
    return list(zip(firsts, lasts, strict=True))


def _known(rows: Mapping[str, bytes], back: Back) -> Known:
    sent: set[int] = set()
    unsure: set[int] = set()
    for value in rows.values():
        row = msgspec.json.decode(value, type=Row)
        if (row.topic, row.identity, row.to) == (back.topic, back.identity, back.to):
            sent |= _numbers(row.sent)
            unsure |= _numbers(row.unsure)
    return Known(frozenset(sent), frozenset(unsure - sent))


def _numbers(found: Sequence[Span]) -> set[int]:
    return {number for first, last in found for number in range(first, last + 1)}
