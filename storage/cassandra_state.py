"""A unit's state in Cassandra: one partition that only conditional updates change, so that it is as of `next`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cassandra.cluster import ResponseFuture

from storage.address import Address
from storage.cassandra_cells import Cell, integer
from storage.cassandra_session import CassandraSession, Encoded, Rows, asking, telling
from storage.cassandra_tables import COLUMNS, NO_BUCKET
from storage.errors import Fenced, Gap, UnknownOutcome
from storage.unit import Claim, Outcome, UnitId

_POSITION = "SELECT DISTINCT unit, epoch, owner, next, watermark FROM @state WHERE unit = ?"
_CLAIM = "UPDATE @state SET epoch = ?, owner = ? WHERE unit = ? IF epoch = ?"
_MOVE = "UPDATE @state SET next = ? WHERE unit = ? IF epoch = ? AND owner = ? AND next = ?"
_MOVE_MARKED = "UPDATE @state SET next = ?, watermark = ? WHERE unit = ? IF epoch = ? AND owner = ? AND next = ?"
_WRITE = [
    f"UPDATE @state SET {column} = ? WHERE unit = ? AND storage = ? AND key = ? AND bucket = ? AND item = ?"
    for column in COLUMNS
]
_ROWS = (
    "SELECT epoch, owner, next, storage, key, bucket, item, record, total, score FROM @state "
    "WHERE unit = ? AND (storage, key, bucket, item) IN ?"
)
_STAY = "UPDATE @state SET epoch = ? WHERE unit = ? IF epoch = ?"
_END = "DELETE FROM @state WHERE unit = ?"
_END_STORAGE = "DELETE FROM @state WHERE unit = ? AND storage = ?"
_END_ABOUT = "DELETE FROM @state WHERE unit = ? AND storage = '' AND key = ?"
_END_ROW = "DELETE FROM @state WHERE unit = ? AND storage = ? AND key = ? AND bucket = ?"
_PAGE = 500
_TRIES = 3

Item = tuple[Address, str]
Value = bytes | float


class Position(NamedTuple):
    """Where a unit stands, and who may move it."""

    epoch: int | None = None
    owner: str | None = None
    next: int | None = None
    watermark_ms: int | None = None


class State:
    """The units' partitions of the table `state`."""

    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """Take the unit over. An attempt without an answer is found out about, and only then made again."""
        while True:
            old = self.position(unit)
            epoch = (old.epoch or 0) + 1
            applied = self._claimed(unit, old.epoch, epoch, owner)
            now = self.position(unit)  # after the claim: its earlier owner may have committed until then
            if applied or now.owner == owner or (applied is None and (now.epoch or 0) > epoch):
                return Claim(
                    unit, epoch, owner, now.next
                )  # in the last case it is somebody else's by now, or always was

    def position(self, unit: UnitId) -> Position:
        """Where the unit stands, by all that was agreed upon."""
        with asking(self._session.address):
            return position_of(list(self.ask_position(unit).result()))

    def ask_position(self, unit: UnitId, serial: bool = True) -> ResponseFuture:
        """Begin to ask for it; `position_of` reads the answer. Not `serial`, it is cheaper, and may be an older one."""
        return self._session.send(_POSITION, [unit_name(unit)], serial=serial)

    def rows(self, claim: Claim, expected: int | None, wanted: Sequence[Item]) -> dict[Item, Value]:
        """Those of the wanted items that exist, as of `expected`. In pages; all of them are of one moment, because
        nobody moves a unit without changing its position.

        Raises:
            Fenced, Gap: the unit is another one's, or stands elsewhere.
        """
        found: dict[Item, Value] = {}
        for start in range(0, len(wanted), _PAGE):
            keys = [_key(address, item) for address, item in wanted[start : start + _PAGE]]
            for *fence, storage, key, bucket, item, record, total, score in self._session.read(
                _ROWS, unit_name(claim.unit), keys, serial=True
            ):
                if fence != [claim.epoch, claim.owner, expected]:
                    break
                value = next(value for value in (record, total, score) if value is not None)
                found[Address(storage, key, None if bucket == NO_BUCKET else bucket), item] = value
        must_stand(self.position(claim.unit), claim, expected)
        return found

    def move(self, claim: Claim, old: Position, new: int, watermark_ms: int | None, cells: Sequence[Cell]) -> Outcome:
        """Write the rows and the position in one step, if the unit still stands where it did.

        Raises:
            UnknownOutcome: no answer, and nothing could be found out.
        """
        statements = self._statements(claim, old, new, watermark_ms, cells)
        routing = [unit_name(claim.unit).encode()]
        for _ in range(_TRIES):
            if self._moved(statements, routing):
                return Outcome.OK
            with telling(self._session.address):
                now = position_of(list(self.ask_position(claim.unit).result()))
            outcome = standing(now, claim, old.next, new)
            if outcome is not None:
                return outcome
        raise UnknownOutcome(f"Cassandra does not say whether {unit_name(claim.unit)} has moved to {new}.")

    def end(self, unit: UnitId) -> None:
        """Remove the unit: whoever has it is fenced."""
        self._remove(unit, (_END, ()), stays=False)

    def end_storage(self, unit: UnitId, storage: str) -> None:
        """Remove a storage's rows from the unit."""
        name = storage.encode()
        self._remove(unit, (_END_STORAGE, (name,)), (_END_ABOUT, (name,)))

    def end_rows(self, unit: UnitId, storage: str, rows: Sequence[tuple[str, int]]) -> None:
        """Remove rows, by key and bucket."""
        name = storage.encode()
        for start in range(0, len(rows), _PAGE):
            some = rows[start : start + _PAGE]
            self._remove(unit, *((_END_ROW, (name, key.encode(), integer(bucket))) for key, bucket in some))

    def _claimed(self, unit: UnitId, old: int | None, epoch: int, owner: str) -> bool | None:
        """Whether it was applied; None = no answer."""
        try:
            [(applied, *_)] = self._session.write(_CLAIM, epoch, owner, unit_name(unit), old)
        except UnknownOutcome:
            return None
        return bool(applied)

    def _remove(self, unit: UnitId, *deletions: tuple[str, Encoded], stays: bool = True) -> None:
        """Delete in a conditional batch, as everything here changes; nothing of a unit that was never claimed."""
        name = unit_name(unit).encode()
        while (epoch := self.position(unit).epoch) is not None:
            fence = (integer(epoch) if stays else None, name, integer(epoch))
            statements: list[tuple[str, list[Encoded]]] = [(_STAY, [fence])]
            statements += [(text, [(name, *values)]) for text, values in deletions]
            if self._moved(statements, [name]):
                return

    def _statements(
        self, claim: Claim, old: Position, new: int, watermark_ms: int | None, cells: Sequence[Cell]
    ) -> list[tuple[str, list[Encoded]]]:
        name = unit_name(claim.unit).encode()
        fence = integer(claim.epoch), claim.owner.encode(), None if old.next is None else integer(old.next)
        marks = [mark for mark in (watermark_ms, old.watermark_ms) if mark is not None]
        move: tuple[str, list[Encoded]] = _MOVE, [(integer(new), name, *fence)]
        if marks:
            move = _MOVE_MARKED, [(integer(new), integer(max(marks)), name, *fence)]
        written: list[tuple[str, list[Encoded]]] = [
            (text, [(value, name, *row) for *row, column, value in cells if column == wanted])
            for wanted, text in enumerate(_WRITE)
        ]
        return [move, *written]

    def _moved(self, statements: Sequence[tuple[str, list[Encoded]]], routing: Sequence[bytes]) -> bool:
        """Whether it was applied; False where that is not known either."""
        try:
            with telling(self._session.address):
                return bool(self._session.send_batch(statements, routing).result().one()[0])
        except UnknownOutcome:
            return False


def unit_name(unit: UnitId) -> str:
    """A unit's key in `state`."""
    return f"{writer_name(unit)}/{unit.topic}/{unit.partition}"


def writer_name(writer: UnitId) -> str:
    """A generation's key."""
    return f"{writer.learner}@{writer.generation}"


def position_of(rows: Rows) -> Position:
    """What `ask_position` answered; nothing of a unit that was never claimed."""
    return Position(*rows[0][1:]) if rows else Position()


def standing(position: Position, claim: Claim, expected: int | None, new: int | None = None) -> Outcome | None:
    """Why a claim cannot move its unit from `expected` to `new`; None = it can."""
    if (position.epoch, position.owner) != (claim.epoch, claim.owner):
        return Outcome.FENCED
    if new is not None and position.next == new:
        return Outcome.ALREADY
    return None if position.next == expected else Outcome.GAP


def must_stand(position: Position, claim: Claim, expected: int | None) -> None:
    """Raise Fenced or Gap where a claim cannot read its unit as of `expected`."""
    outcome = standing(position, claim, expected)
    what = f"{claim.unit.topic}/{claim.unit.partition} of {claim.unit.learner}"
    if outcome is Outcome.FENCED:
        raise Fenced(f"{what} was claimed by another worker; claim again.")
    if outcome is Outcome.GAP:
        raise Gap(f"{what} is at {position.next}, not at {expected}; claim again.")


def _key(address: Address, item: str) -> tuple[str, str, int, str]:
    return address.storage, address.key, NO_BUCKET if address.bucket is None else address.bucket, item
