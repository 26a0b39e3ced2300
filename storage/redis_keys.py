"""Where things are in Redis, and what is made of them.

    mr:{catalogue}:storages                  hash: "ranking/popular@2" -> its descriptor as JSON
    mr:{catalogue}:aliases                   hash: "ranking/popular" -> what the name stands for, as JSON (`Alias`)
    mr:{catalogue}:leases                    hash: a version's title -> until when it is read, in ms since 1970
    mr:{learner@generation}:units            set: "topic/partition" of every unit that was ever claimed
    mr:{learner@generation}:unit:<t>/<p>     hash: epoch, owner, next, watermark, committed; suspect while a commit runs
    mr:{learner@generation}:storage:<s>      hash: bucket and at (see `Newest`), rows (how many items there are)
    mr:{learner@generation}:<s>              hash: key -> a row that was put
    mr:{learner@generation}:<s>:<b>:<key>    hash of a row's sums, or sorted set of its scores; <b> = bucket or nothing

<s> is format and name, "ranking/popular". The braces keep a generation in one hash slot, so that one script writes all
of it. A row's key may hold anything: it comes last, behind parts that hold no colon. Scores are kept negated, so that
the order of a sorted set, ascending by score and then by member, is the order of a ranking.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from storage.address import Address
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.technology import Newest
from storage.unit import UnitId, UnitState

STORAGES = "mr:{catalogue}:storages"
ALIASES = "mr:{catalogue}:aliases"
LEASES = "mr:{catalogue}:leases"
UNIT = ("epoch", "next", "watermark", "committed")
"""What `unit_state` needs of a unit's hash."""
NEWEST = ("bucket", "at")
"""What `newest` needs of a storage's hash."""


class Keys:
    """The keys of one generation of a learner."""

    def __init__(self, learner: str, generation: int) -> None:
        self._prefix = f"mr:{{{learner}@{generation}}}:"
        self.units = f"{self._prefix}units"

    @classmethod
    def of(cls, writer: UnitId | Descriptor) -> Keys:
        """Of the generation that a unit writes, or that a storage's rows belong to."""
        return cls(writer.learner, writer.generation)

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

    def prefix(self, storage: str, bucket: int | None) -> str:
        """What rows of sums or scores have before their own key."""
        return f"{self._prefix}{storage}:{'' if bucket is None else bucket}:"

    def rows(self, storage: str) -> str:
        """The glob pattern of all rows of sums or scores."""
        return re.sub(r"([*?\[\]\\^])", r"\\\1", f"{self._prefix}{storage}:") + "*"

    def address(self, storage: str, row: bytes) -> Address:
        """The inverse of `row`."""
        bucket, _, key = row.decode()[len(self._prefix) + len(storage) + 1 :].partition(":")
        return Address(storage, key, int(bucket) if bucket else None)


def unit_name(unit: UnitId) -> str:
    """A unit within its generation."""
    return f"{unit.topic}/{unit.partition}"


def unit_names(descriptor: Descriptor, members: Iterable[bytes]) -> list[str]:
    """Names of the units that write a storage, of all that its generation has, by partition."""
    split = (member.decode().rpartition("/") for member in members)
    found = sorted(int(partition) for topic, _, partition in split if topic == descriptor.topic)
    return [f"{descriptor.topic}/{partition}" for partition in found]


def unit_state(descriptor: Descriptor, name: str, values: Sequence[bytes | None]) -> UnitState:
    """What a unit's hash says of it, its fields in the order of `UNIT`."""
    topic, _, partition = name.rpartition("/")
    unit = UnitId(descriptor.learner, descriptor.version, descriptor.generation, topic, int(partition))
    epoch, position, watermark, committed = map(_number, values)
    return UnitState(unit, epoch or 0, position, watermark, committed)


def newest(values: Sequence[bytes | None]) -> Newest:
    """What a storage's hash says of it, its fields in the order of `NEWEST`."""
    bucket, at = map(_number, values)
    return Newest(bucket, at)


def descriptors(found: Mapping[bytes, bytes]) -> list[Descriptor]:
    """The storages of the catalogue's hash, by name and version."""
    return sorted(map(Descriptor.of_json, found.values()), key=lambda item: (item.storage, item.version))


def aliases(found: Mapping[bytes, bytes]) -> dict[Name, Alias]:
    """What the aliases' hash says, by format and name."""
    split = ((name.decode().partition("/"), alias) for name, alias in found.items())
    return {(name[0], name[2]): Alias.of_json(alias) for name, alias in split}


def leases(found: Mapping[bytes, bytes]) -> dict[str, int]:
    """What the leases' hash says, by title."""
    return {title.decode(): int(until) for title, until in found.items()}


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)
