"""Which tables hold which rows, remembered: a table's number is never used twice in a file, so that what is known stays
true until the table is gone, or another file has taken the file's name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from storage.descriptor import Descriptor
from storage.errors import EntryDamaged, SuspectGeneration
from storage.relational.catalogue import add_table, rows_of
from storage.relational.database import TableGone, Transaction, Values
from storage.relational.tables import TABLES, Kind, Table
from storage.unit import UnitId

Tables = Mapping[Kind, Table]
Place = tuple[Hashable, str, int, str]
"""The file, and whose rows."""


class KnownTables:
    """The tables of each storage's rows."""

    def __init__(self) -> None:
        self._known: dict[Place, Tables] = {}

    def forget(self) -> None:
        """What is known is no longer true."""
        self._known = {}

    def known(self, file: Hashable, writer: UnitId | Descriptor, storage: str) -> Tables | None:
        """What is remembered of a storage in a file; None = it must be looked up."""
        return self._known.get((file, *rows_of(writer, storage)))

    def learn(self, file: Hashable, writer: UnitId | Descriptor, storage: str, rows: Sequence[Values]) -> Tables:
        """Remember what `TABLES` answered; that there is none is not remembered, as that may change.

        Raises:
            SuspectGeneration: a row of it cannot be read; any program may have written it.
        """
        found: dict[Kind, Table] = {}
        for id, kind, options in rows:
            try:
                found[kind] = Table.of(id, kind, options)
            except EntryDamaged as error:
                raise SuspectGeneration(
                    f"Where the rows of {storage} are cannot be read in millrace_tables: of the row with the id {id} "
                    f"{error}. Somebody else wrote it; repair it there."
                ) from error
        if found:
            self._known[file, *rows_of(writer, storage)] = found
        return found

    def find(self, transaction: Transaction, writer: UnitId | Descriptor, storage: str) -> Tables:
        """The tables of a storage; none of those that nobody has written to."""
        known = self.known(transaction.file, writer, storage)
        if known is None:
            rows = transaction.run(TABLES, *rows_of(writer, storage))
            known = self.learn(transaction.file, writer, storage, rows)
        return known

    def made(self, transaction: Transaction, writer: UnitId | Descriptor, storage: str, kind: Kind) -> Table:
        """The table to write to. It is made if need be, and then remembered only when it is met again: this
        transaction may yet be rolled back."""
        table = self.find(transaction, writer, storage).get(kind) or add_table(transaction, writer, storage, kind, {})
        if table is None:  # somebody has made it since; a snapshot begun before may not show it
            raise TableGone(f"The table of {storage} is being made by another; try again.")
        return table
