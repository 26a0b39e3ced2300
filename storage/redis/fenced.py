"""What the scripts of a unit's owner are told, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.address import Address
from storage.errors import Fenced, Gap, SuspectGeneration, WriteRefused
from storage.redis.keys import Keys, unit_name
from storage.redis.writes import packed_keys
from storage.unit import UnitId


def fence(epoch: int, owner: str, expected: int | None) -> tuple[int, str, int | str]:
    """The first arguments of the scripts that a unit's owner runs."""
    return epoch, owner, "" if expected is None else expected


def pages(keys: Keys, rows: Sequence[Address]) -> bytes:
    """The last argument of `read.lua`: rows of one shard."""
    return packed_keys([(keys.records(storage), wanted) for storage, wanted in _by_storage(rows).items()])


def page_of(unit: UnitId, expected: int | None, rows: Sequence[Address], reply: Sequence[Any]) -> list[bytes | None]:
    """What `read.lua` answered, in the order asked for.

    Raises:
        Fenced, Gap: it has refused to read.
    """
    code = code_of(unit, reply)
    if code == "FENCED":
        raise fenced(unit)
    if code == "GAP":
        raise gap(unit, expected)
    values = {storage: iter(found) for storage, found in zip(_by_storage(rows), reply[1], strict=True)}
    return [next(values[row.storage]) for row in rows]


def fenced(unit: UnitId) -> Fenced:
    """The error for a claim that is not the newest."""
    return Fenced(f"{unit_name(unit)} of {unit.learner} was claimed by another worker; claim again.")


def gap(unit: UnitId, expected: int | None) -> Gap:
    """The error for a unit that stands elsewhere."""
    return Gap(f"{unit_name(unit)} of {unit.learner} does not stand at {expected}; claim again.")


def code_of(unit: UnitId, reply: Sequence[Any]) -> str:
    """What a script of a unit answered first.

    Raises:
        SuspectGeneration, WriteRefused: what no outcome says.
    """
    code, *details = reply
    if code == b"SUSPECT":
        raise SuspectGeneration(
            f"Generation {unit.generation} of {unit.learner} is not to be trusted: {details[0].decode()}."
        )
    if code == b"REFUSED":
        row, item = (detail.decode() for detail in details)
        raise WriteRefused(f"{item!r} of {row} would leave what a double holds exactly; nothing was written.")
    return str(code.decode())


def _by_storage(rows: Sequence[Address]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.storage, []).append(row.key)
    return found
