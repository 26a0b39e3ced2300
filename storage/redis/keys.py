"""Where things are in Redis, and what is made of them.

    mr:{catalogue}:storages                  hash: "ranking/popular@2" -> its descriptor as JSON
    mr:{catalogue}:aliases                   hash: "ranking/popular" -> what the name stands for, as JSON (`Alias`)
    mr:{catalogue}:leases                    hash: a version's title -> until when it is read, in ms since 1970
    mr:{learner@generation}:generation       hash: shards (see `shards.py`), on a cluster only; near, see `commit.lua`
    mr:{learner@generation}:units            set: "topic/partition" of every unit that was ever claimed
    mr:{learner@generation}:unit:<t>/<p>     hash: epoch, owner, next, watermark, committed; suspect while a commit
                                             runs. Where there are other shards: positions, before, before_watermark
    mr:{learner@generation}:redo:<t>/<p>     list: what the last commits have written to other shards
    mr:{learner@generation}:storage:<s>      hash: bucket and at (see `Newest`), rows (how many items, but for records),
                                             rising (1 = every sum is above 0)
    mr:{learner@generation}:<s>              hash: key -> a row that was put
    mr:{learner@generation}:<s>:<b>:<key>    hash of a row's sums, or sorted set of its scores; <b> = bucket or nothing

<s> is format and name, "ranking/popular". The braces keep a generation in one hash slot, so that one script writes all
of it. On a cluster it may be spread over several slots, its shards: the tag of shard 0 is {learner@generation}, that of
the others {learner@generation:<shard>}, and the keys are the same. A row's key may hold anything: it comes last, behind
parts that hold no colon. Scores are kept negated, so that
the order of a sorted set, ascending by score and then by member, is the order of a ranking.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration
from storage.technology import Newest
from storage.unit import UnitId, UnitState

STORAGES = "mr:{catalogue}:storages"
ALIASES = "mr:{catalogue}:aliases"
LEASES = "mr:{catalogue}:leases"
UNIT = ("epoch", "next", "watermark", "committed")
"""What `unit_state` needs of a unit's hash."""
UNIT_OF_SHARDS = (*UNIT, "positions", "before", "before_watermark")
"""... and `shards.reached`."""
NEWEST = ("bucket", "at")
"""What `newest` needs of a storage's hash."""


class Keys:
    """The keys of one shard of a learner's generation."""

    def __init__(self, learner: str, generation: int, shard: int = 0) -> None:
        tag = f"{learner}@{generation}"
        self._prefix = f"mr:{{{tag}:{shard}}}:" if shard else f"mr:{{{tag}}}:"
        self.units = f"{self._prefix}units"
        self.generation = f"{self._prefix}generation"

    @staticmethod
    def of(writer: UnitId | Descriptor, shard: int = 0) -> Keys:
        """Of the generation that a unit writes, or that a storage's rows belong to."""
        return _of(writer.learner, writer.generation, shard)

    def redo(self, name: str) -> str:
        """What a unit's last commits have written to other shards."""
        return f"{self._prefix}redo:{name}"

    def unit(self, name: str) -> str:
        """A unit's hash; `unit_name` names it."""
        return f"{self._prefix}unit:{name}"

    def storage(self, storage: str) -> str:
        """What is known of a whole storage."""
        return f"{self._prefix}storage:{storage}"

    def records(self, storage: str) -> str:
        """All rows that were put into a storage."""
        return f"{self._prefix}{storage}"

    def row(self, address: Address) -> str:
        """One row of sums or scores."""
        return self.prefix(address.storage, address.bucket) + address.key

    def of_rows(self, rows: Iterable[Address]) -> list[str]:
        """The same for several, with each request: written out."""
        prefix = self._prefix
        return [f"{prefix}{storage}:{'' if bucket is None else bucket}:{key}" for storage, key, bucket in rows]

    def prefix(self, storage: str, bucket: int | None) -> str:
        """What rows of sums or scores have before their own key."""
        return f"{self._prefix}{storage}:{'' if bucket is None else bucket}:"

    def rows(self, storage: str) -> str:
        """The glob pattern of all rows of sums or scores."""
        return re.sub(r"([*?\[\]\\^])", r"\\\1", f"{self._prefix}{storage}:") + "*"

    def address(self, storage: str, row: bytes) -> Address:
        """The inverse of `row`. Raises SuspectGeneration for a key that is no row's."""
        try:
            text = row.decode()
        except UnicodeDecodeError:
            raise SuspectGeneration(
                f"Redis has the key {row!r:.200}, which is no text: somebody else wrote it."
            ) from None
        bucket, _, key = text[len(self._prefix) + len(storage) + 1 :].partition(":")
        return Address(storage, key, number(bucket.encode()) if bucket else None)


@lru_cache(1_000)
def _of(learner: str, generation: int, shard: int) -> Keys:
    return Keys(learner, generation, shard)


def every_row(writer: UnitId | Descriptor, storage: str, shards: Collection[int]) -> tuple[str, dict[str, Keys]]:
    """A glob pattern that all rows of sums or scores of these shards fit, and others may; what comes before the first
    "}:" of a row's key says which shard it is of."""
    found = {keys.units.partition("}:")[0]: keys for keys in (Keys.of(writer, shard) for shard in shards)}
    if len(found) == 1:
        return next(iter(found.values())).rows(storage), found
    state = Keys.of(writer).rows(storage)
    return state.replace("}:", "*}:", 1), found


def unit_name(unit: UnitId) -> str:
    """A unit within its generation."""
    return f"{unit.topic}/{unit.partition}"


def unit_names(descriptor: Descriptor, members: Iterable[bytes]) -> list[str]:
    """Names of the units that write a storage, of all that its generation has, by partition."""
    split = (member.rpartition(b"/") for member in members)
    topic = descriptor.topic.encode()
    found = sorted(number(partition) or 0 for name, _, partition in split if name == topic)
    return [f"{descriptor.topic}/{partition}" for partition in found]


def unit_state(descriptor: Descriptor, name: str, values: Sequence[bytes | None]) -> UnitState:
    """What a unit's hash says of it, its fields in the order of `UNIT`."""
    topic, _, partition = name.rpartition("/")
    unit = UnitId(descriptor.learner, descriptor.version, descriptor.generation, topic, int(partition))
    epoch, position, watermark, committed = map(number, values)
    return UnitState(unit, epoch or 0, position, watermark, committed)


def newest(values: Sequence[bytes | None]) -> Newest:
    """What a storage's hash says of it, its fields in the order of `NEWEST`."""
    bucket, at = map(number, values)
    return Newest(bucket, at)


def texts(found: Mapping[bytes, bytes]) -> list[tuple[str, object]]:
    """The entries of a catalogue's hash; what is not UTF-8 can be read by nobody."""
    return [(entry.decode(errors="replace"), text) for entry, text in found.items()]


def number(value: bytes | None) -> int | None:
    """An integer as Redis keeps it. Raises SuspectGeneration for what is none."""
    try:
        return None if value is None else int(value)
    except ValueError:
        raise SuspectGeneration(f"Redis has {value!r:.80} where a number should be: somebody else wrote it.") from None
