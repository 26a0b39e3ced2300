"""How old the events behind an answer are, sampled so that no answer waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from serving.head import Lines, line
from storage import Catalogue, UnitState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AsOf(NamedTuple):
    """The oldest watermark among the units behind an answer: each has folded what happened before its own watermark.
    None where no unit has one. `lines` say it in an answer's head."""

    at: datetime | None
    lines: Lines


NEVER = AsOf(None, b"")


class Provenance:
    """Knows each storage's oldest watermark as of the newest sample. Of a technology that does not answer the catalogue
    knows older values, which promise less."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._watermarks: Mapping[str, int | None] = {}
        self._known: dict[tuple[str, ...], AsOf] = {}

    def sample(self) -> None:
        """Take what the catalogue knows now of how far all units are."""
        states = self._catalogue.states()
        self._watermarks = {title: _oldest(_marks(units)) for title, units in states.items()}
        self._known = {}

    def of(self, reads: tuple[str, ...]) -> AsOf:
        """The oldest watermark behind an answer from these storages, by their titles."""
        found = self._known.get(reads)
        if found is None:
            found = self._known[reads] = _as_of(_oldest(self._watermarks.get(title) for title in reads))
        return found


def _marks(units: Sequence[UnitState]) -> list[int | None]:
    return [state.watermark_ms for state in units]


def _oldest(marks: Iterable[int | None]) -> int | None:
    """A unit without events, or whose events have no time, makes nothing older."""
    return min((mark for mark in marks if mark is not None), default=None)


def _as_of(milliseconds: int | None) -> AsOf:
    if milliseconds is None:
        return NEVER
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return AsOf(at, line("millrace-as-of", text))
