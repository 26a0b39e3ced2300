"""Cassandra as learners write it: a state for each unit, changed by conditional batches, and copies for readers.

Without an atomic step over several partitions the order makes it exact: first the rows that readers see, which may be
written again and lose against newer ones, then the unit's own state and its position in one conditional batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import cast

from storage.address import Address
from storage.alias import Alias, Name
from storage.cassandra_address import CassandraAddress
from storage.cassandra_catalogue import CassandraCatalogue
from storage.cassandra_cells import about, checked, news, put_cells, score_cells, scores_after, sum_cells, sums_after
from storage.cassandra_places import Places
from storage.cassandra_served import Served
from storage.cassandra_session import CassandraSession, asking
from storage.cassandra_state import State, must_stand, position_of, standing
from storage.cassandra_tables import AT, BUCKET
from storage.cassandra_totals import Totals
from storage.cassandra_units import Units
from storage.descriptor import Descriptor
from storage.technologies import must_hold
from storage.technology import Newest, Reads, Row
from storage.unit import Claim, Outcome, UnitId, UnitState
from storage.writes import Writes


class Cassandra:
    """One cluster (4.1 or later, `paxos_variant: v2`), by its url; see `cassandra_address.py`. Thread-safe."""

    name = "cassandra"

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """Connects with the first call, and makes the keyspace and its tables if they are not there.

        Args:
            timeout: seconds without an answer after which a call gives up.
        """
        self._session = CassandraSession(CassandraAddress.of(url), timeout)
        self._catalogue = CassandraCatalogue(self._session)
        self._places = Places(self._session)
        self._served = Served(self._session, self._places)
        self._state, self._units = State(self._session), Units(self._session)
        self._totals: dict[UnitId, Totals] = {}

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        must_hold(self.name, descriptor)
        return self._catalogue.declare(descriptor)

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self._catalogue.storages()

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return self._catalogue.aliases()

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._catalogue.point(descriptors)

    def switch(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.switch`."""
        self._catalogue.switch(descriptors)

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        return self._catalogue.alter(existing, wanted)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return self._catalogue.leases()

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`. Reads before it writes, to find what is there already."""
        writes.check()
        before = {about(storage): _items(self._served.newest(descriptor)) for storage in news(writes)}
        sums, scores = sum_cells(sums_after(writes, before)), score_cells(scores_after(writes, before))
        found = checked([*put_cells(writes.puts), *sums, *scores])
        self._served.refuse_what_is_there(descriptor, found)
        self._served.write(descriptor, "", time.time_ns() // 1000, found)

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        writer, units = (descriptor.learner, descriptor.generation), self._units.of(descriptor)
        others = [item for item in self.storages() if (item.learner, item.generation) == writer]
        if all((item.storage, item.version) == (descriptor.storage, descriptor.version) for item in others):
            for unit in units:
                self._state.end(unit)
            self._units.forget(descriptor)
        else:
            for unit in units:
                self._state.end_storage(unit, descriptor.storage)
        self._served.clear(descriptor, descriptor.storage)
        self._catalogue.forget(descriptor)

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`."""
        rows = self._served.earlier(descriptor, bucket)
        for unit in self._units.of(descriptor):
            self._state.end_rows(unit, descriptor.storage, rows)
        self._served.clear_rows(descriptor, rows)

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        self._places.forget(unit)
        self._units.note(unit)
        claim = self._state.claim(unit, owner)
        self._totals[unit] = Totals(claim)
        return claim

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`."""
        if expected is None:
            must_stand(self._state.position(claim.unit), claim, None)
            return [None] * len(rows)
        found = self._state.rows(claim, expected, [(row, "") for row in rows])
        return [cast("bytes | None", found.get((row, ""))) for row in rows]

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`. One after the other for each claim."""
        writes.check()
        totals = self._totals.get(claim.unit)
        if totals is None or not totals.is_of(claim):
            totals = Totals()
        with totals.lock:
            outcome = None
            try:
                outcome = self._commit(claim, expected, new, writes, watermark_ms, totals)
            finally:
                if outcome is not Outcome.OK:
                    totals.forget()
        return outcome

    def _commit(
        self,
        claim: Claim,
        expected: int | None,
        new: int,
        writes: Writes,
        watermark_ms: int | None,
        totals: Totals,
    ) -> Outcome:
        """Writes nothing unless the claim can move its unit. Whoever loses it meanwhile has served rows of positions
        that its successor comes to as well."""
        asked = self._state.ask_position(claim.unit, serial=False)
        missing = totals.missing(writes)
        records = put_cells(writes.puts)
        with asking(self._session.address):
            position = position_of(list(asked.result()))
        if standing(position, claim, expected, new) is not None:
            position = self._state.position(claim.unit)
        refusal = standing(position, claim, expected, new)
        if refusal is not None:
            return refusal
        found = self._state.rows(claim, expected, missing) if missing and expected is not None else {}
        totals.learn(missing, cast("dict[tuple[Address, str], float]", found))
        sums, scores = sums_after(writes, totals.known), scores_after(writes, totals.known)
        written = checked([*records, *sum_cells(sums), *score_cells(scores)])
        self._served.write(claim.unit, f"{claim.unit.topic}/{claim.unit.partition}", new + 1, written)
        outcome = self._state.move(claim, position, new, watermark_ms, written)
        totals.keep(sums, {address: row for address, row in scores.items() if address in totals.known})
        return outcome

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


def opened(address: str) -> Cassandra:
    """See `technologies.Kind`."""
    return Cassandra(address)


def opened_reads(address: str) -> Reads:
    """See `technologies.Kind`."""
    from storage.cassandra_reads import CassandraReads

    return CassandraReads(address)
