"""How much of a unit's failures is logged: the traceback of each cause once, as the unit fails at every retry."""

from __future__ import annotations

from learners.errors import FoldFailed


class Telling:
    """What one unit has told; a learner's error counts as the same whichever events it was raised for."""

    def __init__(self) -> None:
        self._told: str | None = None

    def untold(self, error: BaseException) -> BaseException | None:
        """What to print with its traceback; None where the cause is still the same as the last time."""
        before, self._told = self._told, error.what if isinstance(error, FoldFailed) else str(error)
        return None if self._told == before else error.__cause__ or error
