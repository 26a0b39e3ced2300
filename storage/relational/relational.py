"""A relational database as learners write it: rows and position in one transaction, whichever database it is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import ParamSpec, TypeVar

from storage.address import Address
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import FormatRefused, WriteRefused, harmless
from storage.listed import Damaged, EntryKind
from storage.relational.catalogue import RelationalCatalogue, rows_of
from storage.relational.database import Database, OutOfRange, Question, Repeated, TableGone, TryAgain
from storage.relational.dump import dumped
from storage.relational.known import KnownTables
from storage.relational.rows import Batch, batches, bucket_number, key_bytes, out_of_range
from storage.relational.tables import EXPIRE, NEWEST, ROW_OF, TRIM, TRIMMED, UNITS, Kind
from storage.relational.unit import claimed, moved, refusal, removed, rows_read, unit_states, written
from storage.technologies import must_hold
from storage.technology import Gone, Newest, Reads, Row, Technology
from storage.unit import Claim, Outcome, UnitId, UnitState, must_fit
from storage.writes import Writes

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS, _PAUSE = 8, 0.002
"""How often what met another transaction is tried, and the first pause between, in seconds."""


class Relational:
    """See `Technology` for what its methods promise. Thread-safe: a call holds one connection of its database."""

    name = "relational"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._catalogue = RelationalCatalogue(database)
        self._tables = KnownTables()

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`. Makes the tables of its rows."""
        must_hold(self.name, descriptor)
        return self._again(self._catalogue.declare, descriptor)

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self._again(self._catalogue.storages)

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return self._again(self._catalogue.aliases)

    def damaged(self) -> list[Damaged]:
        """See `Technology.damaged`."""
        return list(self._again(self._catalogue.listed).damaged)

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        return self._again(self._catalogue.discard, kind, entry)

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._again(self._catalogue.point, descriptors)

    def switch(self, descriptors: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        return self._again(self._catalogue.switch, descriptors)

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        return self._again(self._catalogue.alter, existing, wanted)

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`. A chunk is one transaction."""
        rows = batches(writes)
        try:
            self._again(self._fill, descriptor, rows, writes)
        except Repeated:
            raise WriteRefused(f"{descriptor.title} has some of these rows already; a load writes each once.") from None

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`. One transaction: tables are dropped, not emptied."""
        self._again(self._catalogue.erase, descriptor)

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`. In parts, each a transaction: whoever commits meanwhile waits for one at most."""
        while self._again(self._trim, descriptor, bucket):
            pass

    def expire(self, descriptor: Descriptor, before: str) -> None:
        """See `Technology.expire`. In parts, as `trim`."""
        for kind in EXPIRE:
            while self._again(self._expire, descriptor, kind, before):
                pass

    def remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        """See `Technology.remove`. One transaction, whose first statement holds the fence."""
        self._again(self._remove, descriptor, claim, gone)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return self._again(self._catalogue.leases)

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        self._again(self._catalogue.release, titles)

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        return self._again(self._claim, unit, owner)

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`. Fence and rows are of one snapshot."""
        return self._again(self._read, claim, expected, rows)

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`. One transaction, whose first statement moves the unit if it stands as expected."""
        must_fit(new)
        rows = batches(writes)
        try:
            return self._again(self._commit, claim, expected, new, rows, writes, watermark_ms)
        except OutOfRange as error:
            found = out_of_range(writes, lambda kind, address: self._held(claim.unit, kind, address))
            if found is None:
                raise
            raise found from error

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        with self._database.snapshot() as snapshot:
            rows = snapshot.run(UNITS, descriptor.learner, descriptor.generation, descriptor.topic)
        return unit_states(descriptor, rows)

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`."""
        with self._database.snapshot() as snapshot:
            [found] = snapshot.run(NEWEST, *rows_of(descriptor, descriptor.storage))
        return Newest(*found)

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`."""
        return dumped(self._database, descriptor)

    def close(self) -> None:
        """See `Technology.close`."""
        self._database.close()

    def _fill(self, descriptor: Descriptor, rows: Sequence[Batch], writes: Writes) -> None:
        with self._database.transaction() as transaction:
            written(transaction, self._tables, descriptor, rows, writes, again=False)

    def _trim(self, descriptor: Descriptor, bucket: int) -> bool:
        """Whether there may be more to remove."""
        with harmless(), self._database.transaction() as transaction:
            table = self._tables.find(transaction, descriptor, descriptor.storage).get("scores")
            return table is not None and len(transaction.run(TRIM, bucket, table=table)) == TRIMMED

    def _expire(self, descriptor: Descriptor, kind: Kind, before: str) -> bool:
        """Whether there may be more to remove."""
        with harmless(), self._database.transaction() as transaction:
            table = self._tables.find(transaction, descriptor, descriptor.storage).get(kind)
            return table is not None and len(transaction.run(EXPIRE[kind], before.encode(), table=table)) == TRIMMED

    def _remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        with harmless(), self._database.transaction() as transaction:
            removed(transaction, self._tables, descriptor, claim, gone)

    def _claim(self, unit: UnitId, owner: str) -> Claim:
        with harmless(), self._database.transaction() as transaction:
            return claimed(transaction, unit, owner)

    def _read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        with self._database.snapshot() as snapshot:
            return rows_read(snapshot, self._tables, claim, expected, rows)

    def _commit(
        self,
        claim: Claim,
        expected: int | None,
        new: int,
        rows: Sequence[Batch],
        writes: Writes,
        watermark_ms: int | None,
    ) -> Outcome:
        with self._database.transaction() as transaction:
            if moved(transaction, claim, expected, new, watermark_ms):
                written(transaction, self._tables, claim.unit, rows, writes)
                return Outcome.OK
        with self._database.snapshot() as snapshot:
            refused = refusal(snapshot, claim, expected, new)
        if refused is None:
            raise TryAgain(f"{claim.unit.learner} stands at {expected} by now, and did not before.")
        return refused

    def _held(self, unit: UnitId, kind: Kind, address: Address) -> Mapping[str, float]:
        """A row of sums or scores as it is now."""
        with self._database.snapshot() as snapshot:
            table = self._tables.find(snapshot, unit, address.storage).get(kind)
            if table is None:
                return {}
            place = (key_bytes(address.key), *([bucket_number(address)] if kind == "scores" else []))
            [found] = snapshot.ask(Question(ROW_OF[kind], table, [place]))
        return {item.decode(): value for item, value in found}

    def _again(self, step: Callable[P, T], *values: P.args, **options: P.kwargs) -> T:
        """A step, once more where it met another one, or a table that is gone."""
        for attempt in range(_ATTEMPTS):
            try:
                return step(*values, **options)
            except (TryAgain, TableGone):
                self._tables.forget()
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(random.random() * _PAUSE * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def opened(address: str) -> Technology:
    """See `kinds.Kind`: `sqlite:///file` or `postgresql://user@host/database`."""
    scheme = address.partition(":")[0]
    if scheme == "sqlite":
        from storage.relational.sqlite import Sqlite

        return Relational(Sqlite(address))
    if scheme in ("postgresql", "postgres"):
        from storage.relational.postgresql import Postgresql

        return Relational(Postgresql(address))
    raise _unknown(scheme)


def opened_reads(address: str) -> Reads:
    """See `kinds.Kind`: the addresses of `opened`."""
    from storage.relational.reads import RelationalReads

    scheme = address.partition(":")[0]
    if scheme == "sqlite":
        from storage.relational.sqlite_reads import SqliteSource

        return RelationalReads(SqliteSource(address))
    if scheme in ("postgresql", "postgres"):
        from storage.relational.postgresql_reads import PostgresqlSource

        return RelationalReads(PostgresqlSource(address))
    raise _unknown(scheme)


def _unknown(scheme: str) -> FormatRefused:
    return FormatRefused(
        f"The relational address begins with {scheme[:20]!r}; it is sqlite:///file or postgresql://user@host/database."
    )
