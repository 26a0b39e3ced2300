"""A generation in several slots of a Redis Cluster: which shard has a row, and how the shards are kept level. No I/O.

Shard 0 is the *state shard*: it has the unit's position, and a commit is decided there. Every shard has the fence of a
unit of its own, so that what is written to it is written once and in order:

    the state shard takes its own rows, the new position, the positions that the other shards will have, and, as a
    list of the last commits, all that the others are to write   (one atomic step; the commit has happened)
    then the others take their rows, all at once, each from its own position to the new one
    and only when all have, the commit is acknowledged, and the next one can be sent

A shard without rows in a commit stays where it is. Whoever claims the unit looks at where every shard is, and lets it
take what it has missed from that list; so before a row is read back, every shard is exactly at the unit's position, and
no fold sees a row of the future. After a lost answer the same is done: there is no other way of repair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import msgspec

from storage.address import Address
from storage.errors import SuspectGeneration
from storage.redis.keys import number
from storage.redis.writes import Text
from storage.unit import offset_of
from storage.writes import EXACT, Writes

SHARDS = 8
"""Into how many a new generation goes on a cluster whose address does not say: see `docs/storages.md`."""
MOST_SHARDS = 1_024
KEPT_COMMITS, KEPT_BYTES = 100, 1 << 20
"""So much of what other shards were to write is kept for those that forget it."""
_LARGE, _LARGE_SCORE = EXACT >> 11, 1e296
"""Amounts below these cannot lead from where `commit.lua` says that a sum is near its limit past that limit, unless a
thousand units add them at once."""


def shard_of(key: str, shards: int) -> int:
    """The shard of a row: CRC-32 of its key in UTF-8, modulo their number. All buckets of a row are in one.

    Raises:
        UnicodeEncodeError: the key is no text that UTF-8 can write.
    """
    return crc32(key.encode()) % shards


def home(shards: int) -> Callable[[Address], int]:
    """The shard of a row by its address, for `compound.split`."""
    return lambda address: shard_of(address.key, shards)


class Redo(msgspec.Struct, array_like=True, frozen=True):
    """What one commit has other shards write: enough for anybody who has the unit.

    Attributes:
        new: the position that it leads to.
        shares: shard -> the position that it leads from, and the last arguments of `commit.lua`.
    """

    new: int
    shares: dict[int, tuple[int | None, list[Any]]]

    def to_bytes(self) -> bytes:
        """As it is kept in the state shard."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def of_bytes(cls, kept: bytes) -> Redo:
        """The inverse of `to_bytes`. Raises SuspectGeneration for what is none."""
        try:
            return msgspec.msgpack.decode(kept, type=cls)
        except ValueError as error:
            raise _scribbled("the list of its last commits has", kept) from error


@dataclass(frozen=True, slots=True)
class Track:
    """Where a unit's shards are, as its owner knows them: all of them have taken what leads to `next`.

    Attributes:
        owner: of the claim.
        next: the unit's position.
        epochs: by shard; that of the state shard is the claim's.
        positions: by shard, of the last commit with rows of it; that of the state shard is not used.
        near: whether a sum may be near the limit of what it can hold, so that commits have to look before they write.
    """

    owner: str
    next: int | None
    epochs: tuple[int, ...]
    positions: tuple[int | None, ...]
    near: bool = False

    @property
    def shards(self) -> int:
        """How many there are."""
        return len(self.epochs)

    def ahead(self, shard: int) -> bool:
        """Whether a shard has rows of the future: the state shard has forgotten commits that this one has."""
        return offset_of(self.positions[shard]) > offset_of(self.next)

    def moved(self, new: int, touched: Sequence[int], near: bool) -> Track:
        """After a commit with rows of these shards."""
        positions = tuple(new if shard in touched else at for shard, at in enumerate(self.positions))
        return Track(self.owner, new, self.epochs, positions, near or self.near)

    def positions_text(self) -> str:
        """As they are kept in the state shard."""
        return msgspec.json.encode(self.positions).decode()


@dataclass(frozen=True, slots=True)
class Others:
    """What the commit of a state shard says of the other shards.

    Attributes:
        positions: theirs, once they have taken what they are to write.
        redo: what they are to write.
        keep: so many of these are kept.
        buckets: storage -> the newest bucket in any shard.
    """

    positions: str
    redo: bytes
    keep: int
    buckets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """What one shard has to take so as to catch up by one commit."""

    shard: int
    expected: int | None
    new: int
    texts: Sequence[Text]


def positions_of(text: bytes | None, shards: int) -> tuple[int | None, ...]:
    """The inverse of `Track.positions_text`; before the first commit there is none. Raises SuspectGeneration for what
    is none, or not of so many shards."""
    if text is None:
        return (None,) * shards
    try:
        found = msgspec.json.decode(text, type=list[int | None])
    except ValueError as error:
        raise _scribbled("its positions are", text) from error
    if len(found) != shards:
        raise _scribbled(f"it has {shards} shards, and its positions are", text)
    return tuple(found)


def shards_of(kept: bytes | None) -> int | None:
    """Into how many shards a generation goes, as its hash says; None = it does not. Raises SuspectGeneration for what
    is no such number."""
    found = number(kept)
    if found is not None and not 1 <= found <= MOST_SHARDS:
        raise _scribbled("its number of shards is", kept)
    return found


def reached(values: Sequence[bytes | None], nexts: Sequence[bytes | None]) -> list[bytes | None]:
    """Of a unit's hash the fields of `UNIT`, as they are where all shards have taken what leads there: a commit that is
    under way, or whose worker has died within it, does not count yet.

    Args:
        values: the fields of `UNIT_OF_SHARDS`.
        nexts: where the other shards are, looked at after that.
    """
    epoch, position, watermark, committed, text, before, before_watermark = values
    wanted = positions_of(text, 1 + len(nexts))[1:]
    there = list(map(number, nexts))
    if all(offset_of(at) <= offset_of(found) for at, found in zip(wanted, there, strict=True)):
        return [epoch, position, watermark, committed]
    return [epoch, before or None, before_watermark or None, committed]


def kept_commits(size: int) -> int:
    """How many of the last commits are kept when the newest takes so many bytes."""
    return max(1, min(KEPT_COMMITS, KEPT_BYTES // max(1, size)))


def missed(kept: Sequence[Redo], shard: int, found: int | None, wanted: int | None) -> list[Step] | None:
    """What leads a shard from the position where it was found to the one where it should be, in order.

    Returns:
        None where what is kept does not lead there: the shard has forgotten too much.
    """
    steps: list[Step] = []
    at = found
    for redo in kept:
        share = redo.shares.get(shard)
        if share is not None and share[0] == at and at != wanted:
            steps.append(Step(shard, at, redo.new, share[1]))
            at = redo.new
    return steps if at == wanted else None


def risky(writes: Writes) -> bool:
    """Whether something is added that could by itself lead past what a sum can hold."""
    sums = any(not -_LARGE < amount < _LARGE for row in writes.sums.values() for amount in row.values())
    return sums or any(
        not -_LARGE_SCORE < weight < _LARGE_SCORE for row in writes.scores.values() for weight in row.values()
    )


def adds(writes: Writes) -> bool:
    """Whether anything is added, and could so be refused."""
    return bool(writes.sums or writes.scores)


def has_rows(writes: Writes) -> bool:
    """Whether there is anything to write."""
    return bool(writes.puts or writes.sums or writes.scores or writes.ranks)


def by_shard(rows: Sequence[Address], shards: int) -> Mapping[int, list[Address]]:
    """Rows in the order asked for, by the shard that has them."""
    found: dict[int, list[Address]] = {}
    for row in rows:
        found.setdefault(shard_of(row.key, shards), []).append(row)
    return found


def taken(found: Mapping[int, Sequence[Any]], rows: Sequence[Address], shards: int) -> list[Any]:
    """What was found by shard, in the order asked for."""
    values = {shard: iter(part) for shard, part in found.items()}
    return [next(values[shard_of(row.key, shards)]) for row in rows]


def _scribbled(what: str, kept: bytes | None) -> SuspectGeneration:
    return SuspectGeneration(f"A generation in Redis cannot be read: {what} {kept!r:.80}. Somebody else wrote it.")
