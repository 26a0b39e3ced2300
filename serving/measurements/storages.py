"""Storages and the learners that write them, as measured through their units. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serving.measurements import units
from serving.measurements.endpoints import EndpointFacts
from serving.measurements.history import History
from serving.measurements.lag import Behind, furthest
from serving.measurements.units import Condition, UnitFigures
from storage import Descriptor

_WORST = tuple(reversed(Condition))


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """One version of a storage. Times are seconds since the epoch; `watermark` is the newest event time folded into it,
    `committed` its newest commit; `readers` are endpoint types; `newest` is False where a newer version exists."""

    descriptor: Descriptor
    units: tuple[UnitFigures, ...]
    behind: Behind | None
    committed: float | None
    watermark: float | None
    condition: Condition
    rows: int | None
    readers: tuple[str, ...]
    newest: bool = True

    @property
    def title(self) -> str:
        """Technology, format, name and version."""
        return self.descriptor.title

    @property
    def short(self) -> str:
        """Name and version."""
        return f"{self.descriptor.name}@{self.descriptor.version}"


@dataclass(frozen=True, slots=True)
class LearnerFigures:
    """One learner: its units together. `rate` is events folded per second."""

    title: str
    name: str
    topic: str
    units: tuple[UnitFigures, ...]
    behind: Behind | None
    rate: float | None
    committed: float | None
    condition: Condition

    @property
    def unusual(self) -> tuple[UnitFigures, ...]:
        """Its units that somebody should look at."""
        return tuple(unit for unit in self.units if unit.condition.unusual)


def storage_figures(history: History, facts: Sequence[EndpointFacts]) -> list[StorageFigures]:
    """Every storage of the newest catalogue, in its order."""
    catalogue = history.last(lambda sample: sample.storages)
    positions = history.last(lambda sample: sample.units)
    states = (positions.units or {}) if positions else {}
    measured = [units.figures(state, history) for state in states.values()]
    descriptors = (catalogue.storages or ()) if catalogue else ()
    rows = catalogue.rows if catalogue else {}
    return [_storage(item, descriptors, measured, rows.get(item.title), facts) for item in descriptors]


def learner_figures(storages: Iterable[StorageFigures]) -> list[LearnerFigures]:
    """The learners that write these storages, by topic and name."""
    found: dict[str, LearnerFigures] = {}
    for storage in storages:
        writer, mine = storage.descriptor.writer, storage.units
        rates = [unit.rate for unit in mine if unit.rate is not None]
        found.setdefault(
            writer,
            LearnerFigures(
                title=writer,
                name=writer.partition("@")[0],
                topic=storage.descriptor.topic,
                units=mine,
                behind=storage.behind,
                rate=sum(rates) if rates else None,
                committed=storage.committed,
                condition=storage.condition,
            ),
        )
    return sorted(found.values(), key=lambda learner: (learner.topic, learner.name))


def _storage(
    descriptor: Descriptor,
    descriptors: Sequence[Descriptor],
    measured: Sequence[UnitFigures],
    rows: int | None,
    facts: Sequence[EndpointFacts],
) -> StorageFigures:
    mine = tuple(unit for unit in measured if _writes(unit, descriptor))
    same = [item for item in descriptors if _name(item) == _name(descriptor)]
    return StorageFigures(
        descriptor=descriptor,
        units=mine,
        behind=furthest(unit.behind for unit in mine),
        committed=max((unit.committed for unit in mine if unit.committed is not None), default=None),
        watermark=max((unit.watermark for unit in mine if unit.watermark is not None), default=None),
        condition=min((unit.condition for unit in mine), key=_WORST.index, default=Condition.NOT_STARTED),
        rows=rows,
        readers=tuple(item.name for item in facts if descriptor.title in item.reads),
        newest=max(same, key=lambda item: (item.version, item.generation)) is descriptor,
    )


def _writes(unit: UnitFigures, descriptor: Descriptor) -> bool:
    return (f"{unit.unit.learner}@{unit.unit.version}", unit.unit.generation, unit.unit.topic) == (
        descriptor.writer,
        descriptor.generation,
        descriptor.topic,
    )


def _name(descriptor: Descriptor) -> tuple[str, str, str]:
    return descriptor.technology, descriptor.format, descriptor.name
