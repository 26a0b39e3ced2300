"""A shared table whose server can be away."""

from __future__ import annotations

from schemas.errors import MillraceError
from schemas.table import Decide, MemoryTable, Rows


class AwayTable(MemoryTable):
    """A table that does not answer while `away`."""

    away = False

    def rows(self) -> Rows:
        self._must_answer()
        return super().rows()

    def change(self, decide: Decide) -> Rows:
        self._must_answer()
        return super().change(decide)

    def _must_answer(self) -> None:
        if self.away:
            raise MillraceError("no broker answered")
