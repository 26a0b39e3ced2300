"""What the two relational databases must offer, and what they report alike whatever their drivers call it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from storage.errors import StorageUnavailable, WriteRefused
from storage.relational.tables import Statement, Table

Values = tuple[Any, ...]


class TryAgain(StorageUnavailable):
    """Nothing was applied, and the same may succeed at once: a deadlock, or a conflict with another transaction."""


class TableGone(StorageUnavailable):
    """A table is not there: its storage was erased, or nobody has written here yet."""


class OutOfRange(WriteRefused):
    """A value, or what it would make, passes what its column can hold. It does not say which."""


class Repeated(WriteRefused):
    """A row is there already that was to be new."""


class Question(NamedTuple):
    """A statement to be read once for each tuple of values.

    Attributes:
        slow: it may look at many rows, so that others must not wait for it.
    """

    statement: Statement
    table: Table | None
    values: Sequence[Values]
    slow: bool = False


Answers = list[list[Values]]
"""The rows of a question for each of its tuples."""


class Transaction(Protocol):
    """Statements that apply together, or not at all. Any method may raise what this file names.

    Attributes:
        file: in which file, where files may change under one name: what is known of another is not true here.
    """

    @property
    def file(self) -> Hashable: ...

    def run(self, statement: Statement, *values: Any, table: Table | None = None) -> list[Values]:
        """The rows that a statement answers."""

    def ask(self, question: Question) -> Answers:
        """The rows of a question for each of its tuples."""

    def write(self, table: Table, rows: Sequence[Values], conflict: str) -> None:
        """Write rows of all of the table's columns.

        Args:
            conflict: what happens to a row that is there already; "" = Repeated.
        """

    def forget(self, table: Table, keys: Sequence[Values]) -> None:
        """Remove what rows that were put are found by, where that is kept apart from them; the rows stay."""

    def create(self, table: Table) -> None:
        """Make a table of rows, and what belongs to it."""

    def drop(self, table: Table) -> None:
        """Remove it, and what belongs to it."""


class Database(Protocol):
    """One database as its writers use it: every method blocks; all may be called from several threads at once."""

    def transaction(self, catalogue: bool = False) -> AbstractContextManager[Transaction]:
        """Commits when its block ends, and rolls back when the block raises.

        Args:
            catalogue: until the end nobody else changes storages and aliases, so that what is read may be decided upon.

        Raises:
            StorageUnavailable: nothing was applied.
            UnknownOutcome: the commit was sent, and its answer is missing.
        """

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """For reading alone: everything is of one moment."""

    def options(self, kept: Mapping[str, Any]) -> Mapping[str, Any]:
        """What shapes the tables of a storage with these options. May prepare the database for it."""

    def close(self) -> None:
        """Let go of connections."""


class Source(Protocol):
    """One database as its readers use it; may be used on several event loops.

    Attributes:
        file: see `Transaction`; the one that was read last.
    """

    @property
    def file(self) -> Hashable: ...

    def count(self, table: Table) -> Question:
        """About how many rows a table has; answers NULL if that cannot be told cheaply."""

    def size(self, table: Table) -> Question:
        """About how many bytes it takes; answers NULL if that cannot be told cheaply."""

    async def ask(self, questions: Sequence[Question]) -> list[Answers]:
        """Answers in the order of the questions; they travel together.

        Raises:
            TableGone: a table is not there.
            StorageUnavailable: it does not answer in time.
        """

    async def tell(self, statement: Statement, rows: Sequence[Values]) -> None:
        """Run a statement that writes, once for each tuple of values. Raises StorageUnavailable."""

    async def near(self, table: Table, vector: bytes, size: int, metric: str) -> list[Values]:
        """Key and row of all that may be among the `size` nearest."""

    async def search(self, table: Table, words: Sequence[str], size: int) -> list[Values]:
        """Key and relevance of the `size` best of the rows that have one of these words, best first, ties by key."""

    async def close(self) -> None:
        """Let go of the connections of the running loop."""
