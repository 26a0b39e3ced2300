"""Who has a unit, and where it stands: one row of `fences`, which only conditional updates change; and beside it, in
`redos`, what its last commit writes."""

from __future__ import annotations

from typing import NamedTuple

from cassandra.cluster import ResponseFuture

from storage.cassandra.cells import integer
from storage.cassandra.session import CassandraSession, Encoded, telling
from storage.errors import Fenced, Gap, StorageUnavailable, UnknownOutcome
from storage.unit import Claim, Outcome, UnitId

_POSITION = "SELECT epoch, owner, next, watermark, mover FROM @fences WHERE unit = ?"
_CLAIM = "UPDATE @fences SET epoch = ?, owner = ? WHERE unit = ? IF epoch = ?"
_MOVE = "UPDATE @fences SET next = ?, watermark = ?, mover = ? WHERE unit = ? IF epoch = ? AND owner = ? AND next = ?"
_END = "DELETE FROM @fences WHERE unit = ? IF epoch = ?"
_KEEP = "INSERT INTO @redos (unit, next, owner, redo) VALUES (?, ?, ?, ?)"
_DROP = "DELETE FROM @redos WHERE unit = ? AND next = ? AND owner = ?"
_REDO = "SELECT redo FROM @redos WHERE unit = ? AND next = ? AND owner = ?"
_DROP_OWNER = "DELETE FROM @redos WHERE unit = ? AND owner = ?"
_DROP_ALL = "DELETE FROM @redos WHERE unit = ?"
_TRIES = 3


class Position(NamedTuple):
    """Where a unit stands, who may move it, and who has moved it there."""

    epoch: int | None = None
    owner: str | None = None
    next: int | None = None
    watermark_ms: int | None = None
    mover: str | None = None


class Move(NamedTuple):
    """What a commit does to a fence; `expected` is where the unit must stand."""

    claim: Claim
    expected: int | None
    new: int
    watermark_ms: int | None


class Fences:
    """The tables `fences` and `redos`."""

    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def claim(self, unit: UnitId, owner: str) -> tuple[Claim, Position, str | None]:
        """Take the unit over. An attempt without an answer is found out about, and only then made again.

        Returns:
            The claim; where the unit stands, read after it, as its earlier owner may have committed until then; and who
            that was.
        """
        while True:
            old = self.position(unit)
            epoch = (old.epoch or 0) + 1
            applied = self._applied(_CLAIM, epoch, owner, unit_name(unit), old.epoch)
            now = self.position(unit)
            if applied or now.owner == owner or (applied is None and (now.epoch or 0) > epoch):
                # in the last case it is somebody else's by now, or always was
                return Claim(unit, epoch, owner, now.next), now, old.owner

    def position(self, unit: UnitId) -> Position:
        """Where the unit stands, by all that was agreed upon; nothing of a unit that was never claimed."""
        rows = self._session.read(_POSITION, unit_name(unit), serial=True)
        return Position(*rows[0]) if rows else Position()

    def redo(self, unit: UnitId, position: Position) -> bytes | None:
        """What the commit writes that has brought the unit there; None = all of it has been served."""
        if position.next is None:
            return None
        rows = self._session.read(_REDO, unit_name(unit), position.next, position.mover)
        return rows[0][0] if rows else None

    def keep(self, claim: Claim, new: int, redo: bytes, position: Position) -> None:
        """Put down what a commit is to write, before it moves the unit from this position, all of which is served: its
        redo is removed. Under its owner, so that who is late takes nobody else's away.

        Raises:
            UnknownOutcome: it may not be there.
        """
        name, owner = unit_name(claim.unit).encode(), claim.owner.encode()
        statements: list[tuple[str, list[Encoded]]] = [(_KEEP, [(name, integer(new), owner, redo)])]
        if position.next is not None and position.mover is not None:
            statements.append((_DROP, [(name, integer(position.next), position.mover.encode())]))
        with telling(self._session.address):
            self._session.send_batch(statements, [name]).result()

    def tidy(self, unit: UnitId, owner: str) -> None:
        """Remove the redos of an earlier owner, when all is served that was committed."""
        self._session.write(_DROP_OWNER, unit_name(unit), owner)

    def ask(self, move: Move) -> ResponseFuture:
        """Begin to move the unit, if it still stands where it did.

        Raises:
            UnknownOutcome: it was perhaps sent.
        """
        claim, name = move.claim, unit_name(move.claim.unit)
        values = move.new, move.watermark_ms, claim.owner, name, claim.epoch, claim.owner, move.expected
        with telling(self._session.address):
            return self._session.send(_MOVE, values)

    def moved(self, move: Move, asked: ResponseFuture) -> Outcome:
        """Wait for what was asked for. An attempt without an answer is found out about, and made again if need be.

        Raises:
            UnknownOutcome: no answer, and nothing could be found out.
        """
        for _ in range(_TRIES):
            if self._has_applied(asked):
                return Outcome.OK
            try:
                outcome = standing(self.position(move.claim.unit), move.claim, move.expected, move.new)
            except StorageUnavailable as error:
                raise UnknownOutcome(str(error)) from error
            if outcome is not None:
                return outcome
            asked = self.ask(move)
        raise UnknownOutcome(f"Cassandra does not say whether {unit_name(move.claim.unit)} has moved to {move.new}.")

    def end(self, unit: UnitId) -> None:
        """Remove the unit: whoever has it is fenced. Does nothing where there is none."""
        while (epoch := self.position(unit).epoch) is not None:
            if self._applied(_END, unit_name(unit), epoch):
                break
        self._session.write(_DROP_ALL, unit_name(unit))

    def _applied(self, text: str, *values: object) -> bool | None:
        """Whether a conditional update was applied; None = no answer."""
        try:
            with telling(self._session.address):
                asked = self._session.send(text, values)
        except UnknownOutcome:
            return None
        return self._has_applied(asked)

    def _has_applied(self, asked: ResponseFuture) -> bool | None:
        try:
            with telling(self._session.address):
                return bool(asked.result().one()[0])
        except UnknownOutcome:
            return None


def unit_name(unit: UnitId) -> str:
    """A unit's key in `fences`."""
    return f"{unit.learner}@{unit.generation}/{served_name(unit)}"


def served_name(unit: UnitId) -> str:
    """A unit's name in `served`."""
    return f"{unit.topic}/{unit.partition}"


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
