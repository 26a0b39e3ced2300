"""A unit's steps as statements: claim, read and commit under the fence; never read, decide, write."""

from __future__ import annotations

from collections.abc import Sequence

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import Fenced, Gap
from storage.relational.catalogue import rows_of
from storage.relational.database import Question, Transaction, Values
from storage.relational.known import KnownTables
from storage.relational.rows import Batch, bucket_number, key_bytes, newest
from storage.relational.tables import CLAIM, FENCE, HOLD, MOVE, REMOVE, REMOVE_ITEM, ROW, SEE
from storage.technology import Gone
from storage.unit import Claim, Outcome, UnitId, UnitState
from storage.writes import Writes


def claimed(transaction: Transaction, unit: UnitId, owner: str) -> Claim:
    """The next epoch for this owner, with the position that is committed."""
    [(epoch, position)] = transaction.run(CLAIM, *_place(unit), owner)
    return Claim(unit, epoch, owner, position)


def moved(transaction: Transaction, claim: Claim, expected: int | None, new: int, watermark_ms: int | None) -> bool:
    """Move the unit, if the claim is the newest and the unit stands where it is expected; else nothing happens."""
    fence = claim.epoch, claim.owner, new, watermark_ms, -1 if expected is None else expected
    return bool(transaction.run(MOVE, *_place(claim.unit), *fence))


def refusal(transaction: Transaction, claim: Claim, expected: int | None, new: int | None = None) -> Outcome | None:
    """Why a unit may not be read, or was not moved; None if it stands as expected."""
    found = transaction.run(FENCE, *_place(claim.unit))
    if not found or found[0][:2] != (claim.epoch, claim.owner):
        return Outcome.FENCED
    position = found[0][2]
    if new is not None and position == new:
        return Outcome.ALREADY
    return None if position == expected else Outcome.GAP


def written(
    transaction: Transaction,
    tables: KnownTables,
    writer: UnitId | Descriptor,
    rows: Sequence[Batch],
    news: Writes,
    again: bool = True,
) -> None:
    """Write rows, and what is newest.

    Args:
        again: a row may be there already.
    """
    for batch in rows:
        table = tables.made(transaction, writer, batch.storage, batch.kind)
        transaction.write(table, batch.rows, batch.conflict if again else "")
    name = f"{writer.topic}/{writer.partition}" if isinstance(writer, UnitId) else ""
    for storage, bucket, at_ms in newest(news):
        transaction.run(SEE, *rows_of(writer, storage), name, bucket, at_ms)


def removed(
    transaction: Transaction, tables: KnownTables, descriptor: Descriptor, claim: Claim | None, gone: Gone
) -> None:
    """Remove rows, or items of them, while the claim holds. Raises Fenced."""
    if claim is not None and not transaction.run(HOLD, *_place(claim.unit), claim.epoch, claim.owner):
        raise fenced(claim.unit)
    there = tables.find(transaction, descriptor, descriptor.storage)
    for address, items in sorted(gone.items(), key=lambda row: key_bytes(row[0].key)):
        key = key_bytes(address.key)
        for kind, table in there.items():
            place = (key, bucket_number(address)) if kind == "scores" else (key,)
            if items is None:
                if kind == "puts":
                    transaction.forget(table, [place])
                transaction.run(REMOVE[kind], *place, table=table)
            elif kind in REMOVE_ITEM:
                for item in sorted(map(key_bytes, items)):
                    transaction.run(REMOVE_ITEM[kind], *place, item, table=table)


def fenced(unit: UnitId) -> Fenced:
    """The error for a claim that is not the newest."""
    return Fenced(f"{unit.topic}/{unit.partition} of {unit.learner} was claimed by another worker; claim again.")


def rows_read(
    snapshot: Transaction, tables: KnownTables, claim: Claim, expected: int | None, rows: Sequence[Address]
) -> list[bytes | None]:
    """Rows that were put, of the moment at which the unit stands as expected.

    Raises:
        Fenced, Gap: see `Technology.read`.
    """
    unit, refused = claim.unit, refusal(snapshot, claim, expected)
    if refused is Outcome.FENCED:
        raise fenced(unit)
    if refused is Outcome.GAP:
        raise Gap(f"{unit.topic}/{unit.partition} of {unit.learner} does not stand at {expected}; claim again.")
    by_storage: dict[str, list[Address]] = {}
    for row in rows:
        by_storage.setdefault(row.storage, []).append(row)
    found: dict[Address, bytes] = {}
    for storage, wanted in by_storage.items():
        table = tables.find(snapshot, unit, storage).get("puts")
        if table is not None:
            answers = snapshot.ask(Question(ROW, table, [(key_bytes(row.key),) for row in wanted]))
            found.update((row, answer[0][0]) for row, answer in zip(wanted, answers, strict=True) if answer)
    return [found.get(row) for row in rows]


def unit_states(descriptor: Descriptor, rows: Sequence[Values]) -> list[UnitState]:
    """What `UNITS` says of the units that write a storage."""
    writer = descriptor.learner, descriptor.version, descriptor.generation, descriptor.topic
    return [UnitState(UnitId(*writer, partition), *state) for partition, *state in rows]


def _place(unit: UnitId) -> tuple[str, int, str, int]:
    return unit.learner, unit.generation, unit.topic, unit.partition
