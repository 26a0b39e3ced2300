"""Cassandra as learners write it: a fence for each unit, changed by conditional updates, and rows that follow it.

Without an atomic step over several partitions the order makes it exact. A commit puts down what it writes, its redo,
and moves the unit; then it writes the rows, and when all are there, up to where they can be read. Only then may the
next commit begin, which removes the redo. Who claims a unit serves the redo that it finds, as nobody knows how much of
it is there. So rows are never ahead of their unit, and for whoever holds the claim they are not behind it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import cast

from storage.address import Address
from storage.cassandra.address import CassandraAddress
from storage.cassandra.catalogue import CassandraCatalogue
from storage.cassandra.cells import (
    about,
    checked,
    count_cells,
    counts_after,
    news,
    place_cells,
    put_cells,
    score_cells,
    scores_after,
    sum_cells,
    sums_after,
)
from storage.cassandra.fences import Fences, Move, Position, must_stand, served_name, standing
from storage.cassandra.held import Held
from storage.cassandra.places import Places
from storage.cassandra.redo import packed, unpacked
from storage.cassandra.served import Item, Served, Value
from storage.cassandra.session import CassandraSession
from storage.cassandra.tables import AT, BUCKET
from storage.cassandra.units import Units
from storage.catalogued import Catalogued
from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration, harmless
from storage.technologies import must_hold
from storage.technology import Gone, Newest, Reads, Row
from storage.unit import Claim, Outcome, UnitId, UnitState, must_fit
from storage.writes import Writes


class Cassandra(Catalogued):
    """One cluster (4.1 or later, `paxos_variant: v2`), by its url; see `address.py`. Thread-safe."""

    name = "cassandra"
    _catalogue: CassandraCatalogue

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """Connects with the first call, and makes the keyspace and its tables if they are not there.

        Args:
            timeout: seconds without an answer after which a call gives up.
        """
        self._session = CassandraSession(CassandraAddress.of(url), timeout)
        self._catalogue = CassandraCatalogue(self._session)
        self._places = Places(self._session)
        self._served = Served(self._session, self._places)
        self._fences, self._units = Fences(self._session), Units(self._session, self._places)
        self._held: dict[UnitId, Held] = {}

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        must_hold(self.name, descriptor)
        return self._catalogue.declare(descriptor)

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`. Reads before it writes, to find what is there already."""
        writes.check()
        writes.merge()
        before = {about(storage): _items(self._served.newest(descriptor)) for storage in news(writes)}
        sums, scores = sum_cells(sums_after(writes, before)), score_cells(scores_after(writes, before))
        parts = self._served.parts(descriptor, checked([*put_cells(writes.puts), *sums, *scores]))
        self._served.refuse_what_is_there(descriptor, parts)
        self._served.write(self._served.ready("", time.time_ns() // 1000, parts))

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        if descriptor.is_last_of(self.storages()):
            for unit in self._units.of(descriptor):
                self._fences.end(unit)
            self._served.clear(descriptor, "")
            self._units.forget(descriptor)
        self._served.clear(descriptor, descriptor.storage)
        self._catalogue.forget(descriptor)

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`."""
        self._served.clear_rows(descriptor, self._served.earlier(descriptor, bucket))

    def expire(self, descriptor: Descriptor, before: str) -> None:
        """See `Technology.expire`."""
        self._served.clear_rows(descriptor, self._served.before(descriptor, before))

    def remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        """See `Technology.remove`. Cells go as of the position where the unit stands: what a zombie or a redo writes
        again is no newer and stays away, what is folded from there on is newer. The next owner reads after they went.
        """
        if claim is None:
            self._served.remove(descriptor, "", time.time_ns() // 1000, gone)
            return
        held = self._of(claim)
        with held.lock:
            position = self._fences.position(claim.unit)
            must_stand(position, claim, position.next)
            if position.next is not None:
                self._served.remove(descriptor, served_name(claim.unit), position.next + 1, gone)
            held.forget()
            must_stand(self._fences.position(claim.unit), claim, position.next)

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        self._places.forget(unit)
        self._units.note(unit)
        claim, position, before = self._fences.claim(unit, owner)
        held = Held(claim)
        if position.owner == owner:
            with harmless():
                self._redo(held, unit, position)
                if before is not None:
                    self._fences.tidy(unit, before)
        self._held[unit] = held
        return claim

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`."""
        held = self._of(claim)
        with held.lock:
            must_stand(self._settled(held, claim, expected), claim, expected)
            found = self._served.own(claim.unit, [(row, "") for row in rows] if expected is not None else [])
            must_stand(self._fences.position(claim.unit), claim, expected)  # after them: nobody else's are among them
        values = _as_of(expected, found)
        return [cast("bytes | None", values.get((row, ""))) for row in rows]

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`. One after the other for each claim."""
        must_fit(new)
        writes.check()
        held = self._of(claim)
        with held.lock:
            outcome = None
            try:
                outcome = self._commit(claim, expected, new, writes, watermark_ms, held)
            finally:
                if outcome is not Outcome.OK:
                    held.forget()
        return outcome

    def _commit(
        self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None, held: Held
    ) -> Outcome:
        position = self._settled(held, claim, expected)
        refusal = standing(position, claim, expected, new)
        if refusal is not None:
            return refusal
        refusal = self._learn(claim, expected, new, held, held.missing(writes))
        if refusal is not None:
            return refusal
        counts = counts_after(writes.counts, held.counts)
        sums, scores = sums_after(writes, held.known), scores_after(writes, held.known)
        marks = [mark for mark in (watermark_ms, position.watermark_ms) if mark is not None]
        after = position._replace(next=new, watermark_ms=max(marks, default=None), mover=claim.owner)
        cells = [*put_cells(writes.puts), *count_cells(counts), *sum_cells(sums), *score_cells(scores)]
        parts = self._served.parts(claim.unit, [*checked(cells), *place_cells(new, after.watermark_ms)])
        self._fences.keep(claim, new, packed(parts), position)
        move = Move(claim, expected, new, after.watermark_ms)
        asked = self._fences.ask(move)
        ready = self._served.ready(served_name(claim.unit), new + 1, parts)  # while the nodes agree
        outcome = self._fences.moved(move, asked)
        if outcome in (Outcome.OK, Outcome.ALREADY):
            self._served.write(ready)
            held.position = after
            held.keep(counts, sums, {address: row for address, row in scores.items() if address in held.known})
        return outcome

    def _of(self, claim: Claim) -> Held:
        """What is known by this claim; nothing where it is not the last one that was made here."""
        held = self._held.get(claim.unit)
        return held if held is not None and held.is_of(claim) else Held()

    def _settled(self, held: Held, claim: Claim, expected: int | None) -> Position:
        """Where the unit stands: if it is this claim's, all of that is served. Looks only if it has to."""
        if held.position is not None and held.position.next == expected:
            return held.position
        found = self._fences.position(claim.unit)
        if (found.epoch, found.owner) == (claim.epoch, claim.owner):
            self._redo(held, claim.unit, found)
        return found

    def _redo(self, held: Held, unit: UnitId, position: Position) -> None:
        """Serve what the unit's last commit has left, if anything."""
        redo = self._fences.redo(unit, position)
        if redo is not None and position.next is not None:
            self._served.write(self._served.ready(served_name(unit), position.next + 1, unpacked(redo)))
        held.position = position

    def _learn(
        self, claim: Claim, expected: int | None, new: int, held: Held, missing: Sequence[Item]
    ) -> Outcome | None:
        """Read what sums and scores are. Returns why the claim cannot move its unit, if it cannot any more."""
        found: dict[Item, tuple[Value, int]] = {}
        if missing and expected is not None:
            found = self._served.own(claim.unit, missing)
            refusal = standing(self._fences.position(claim.unit), claim, expected, new)
            if refusal is not None:
                return refusal
        held.learn(missing, cast("dict[Item, float]", _as_of(expected, found)))
        return None

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        return self._units.states(descriptor)

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`."""
        return self._served.newest(descriptor)

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`."""
        return self._served.rows(descriptor)

    def close(self) -> None:
        """See `Technology.close`."""
        self._session.close()


def _items(newest: Newest) -> dict[str, int]:
    found = {BUCKET: newest.bucket, AT: newest.at_ms}
    return {item: value for item, value in found.items() if value is not None}


def _as_of(expected: int | None, found: dict[Item, tuple[Value, int]]) -> dict[Item, Value]:
    """A unit's own values. Raises SuspectGeneration where one is ahead of the unit."""
    for (address, _), (_, position) in found.items():
        if expected is None or position > expected:
            raise SuspectGeneration(
                f"{address.storage or address.key} of {address.key!r} is as of {position}, and its unit only at "
                f"{expected}: Cassandra has forgotten what it had acknowledged. Raise the "
                "learner's version, so that all of it is built anew."
            )
    return {item: value for item, (value, _) in found.items()}


def opened(address: str) -> Cassandra:
    """See `kinds.Kind`."""
    return Cassandra(address)


def opened_reads(address: str) -> Reads:
    """See `kinds.Kind`."""
    from storage.cassandra.reads import CassandraReads

    return CassandraReads(address)
