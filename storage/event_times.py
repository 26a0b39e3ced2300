"""How far the event time of every unit has come, and how many of its events were late, as its learner keeps it."""

from __future__ import annotations

from typing import NamedTuple

from schemas import MillraceError, decode_record
from storage.catalogue import Catalogue
from storage.descriptor import Descriptor
from storage.formats.watermark import EventTime
from storage.kept import EVENT_TIME, kept
from storage.unit import UnitId


class UnitTime(NamedTuple):
    """One unit's.

    Attributes:
        watermark_ms: in ms since 1970; None = nothing that has a time was folded.
        late: how many of its events were late.
    """

    unit: UnitId
    watermark_ms: int | None
    late: int


async def event_times(catalogue: Catalogue) -> list[UnitTime]:
    """Of each unit of those versions that names stand for, whose learners say what is late; as of the catalogue's last
    refresh. What cannot be read is left out."""
    found: list[UnitTime] = []
    for item in catalogue.storages():
        alias = catalogue.alias(item)
        if kept(item) == EVENT_TIME and alias is not None and alias.version == item.version:
            try:
                found += await _of(catalogue, item)
            except MillraceError:
                continue
    return found


async def _of(catalogue: Catalogue, item: Descriptor) -> list[UnitTime]:
    units = [state.unit for state in catalogue.states().get(item.title, [])]
    rows = await catalogue.reads(item.technology).rows(item, [str(unit.partition) for unit in units])
    known = [(unit, decode_record(EventTime, row)) for unit, row in zip(units, rows, strict=True) if row is not None]
    allowed = int(item.options["allowed_ms"])
    return [
        UnitTime(unit, None if time.newest_ms is None else time.newest_ms - allowed, time.late) for unit, time in known
    ]
