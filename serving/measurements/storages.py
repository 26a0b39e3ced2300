"""Storages and the learners that write them, as measured through their units. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serving.measurements import units
from serving.measurements.endpoints import EndpointFacts
from serving.measurements.history import History
from serving.measurements.lag import Behind, furthest
from serving.measurements.sample import Amount, Sample
from serving.measurements.units import Condition, UnitFigures
from storage import Alias, Descriptor

_WORST = tuple(reversed(Condition))


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """One version of a storage.

    Times are seconds since the epoch; `watermark` is the newest event time folded into it, `committed` its newest
    commit; `readings` are the implementations that read it, by endpoint type; `current` is False where nobody writes or
    reads it any more by its storage's name; `alias` is what that name stands for.
    """

    descriptor: Descriptor
    units: tuple[UnitFigures, ...]
    behind: Behind | None
    committed: float | None
    watermark: float | None
    condition: Condition
    readings: Mapping[str, Sequence[str]]
    current: bool = True
    amount: Amount | None = None
    alias: Alias | None = None

    @property
    def title(self) -> str:
        """Technology, format, name and version."""
        return self.descriptor.title

    @property
    def place(self) -> tuple[str, str, str]:
        """Technology, format and name."""
        return self.descriptor.technology, *self.descriptor.place

    @property
    def rows(self) -> int | None:
        """About how many rows it holds."""
        return self.amount.rows if self.amount else None

    @property
    def counts_experiments(self) -> bool:
        """Whether it is one of those that experiments are counted in, which no endpoint reads."""
        return self.descriptor.name.startswith("experiment_")

    @property
    def readers(self) -> tuple[str, ...]:
        """Endpoint types that read it."""
        return tuple(self.readings)

    @property
    def live(self) -> bool:
        """Whether a learner writes it, or an endpoint type reads it."""
        return bool(self.descriptor.topic or self.readings)

    @property
    def named(self) -> bool:
        """Whether its name stands for this version."""
        return self.alias is not None and self.alias.version == self.descriptor.version

    @property
    def course(self) -> tuple[float, ...]:
        """Seconds that its furthest unit was behind, oldest first, as far back as all units are known."""
        known = min((len(unit.course) for unit in self.units), default=0)
        return tuple(
            max(moment) for moment in zip(*(unit.course[-known:] for unit in self.units if known), strict=True)
        )

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
    if catalogue is None or catalogue.storages is None:
        return []
    measured = [units.figures(state, history) for state in history.states.values()]
    return [_storage(item, catalogue, measured, facts) for item in catalogue.storages]


def learner_figures(storages: Iterable[StorageFigures]) -> list[LearnerFigures]:
    """The learners that write these storages, by topic and name."""
    found: dict[str, LearnerFigures] = {}
    for storage in storages:
        writer, mine = storage.descriptor.writer, storage.units
        if not storage.descriptor.topic:
            continue  # it was created, or loaded: nothing folds into it
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
    catalogue: Sample,
    measured: Sequence[UnitFigures],
    facts: Sequence[EndpointFacts],
) -> StorageFigures:
    mine = tuple(unit for unit in measured if _writes(unit, descriptor))
    return StorageFigures(
        descriptor=descriptor,
        units=mine,
        behind=furthest(unit.behind for unit in mine),
        committed=max((unit.committed for unit in mine if unit.committed is not None), default=None),
        watermark=max((unit.watermark for unit in mine if unit.watermark is not None), default=None),
        condition=min((unit.condition for unit in mine), key=_WORST.index, default=_without_units(descriptor)),
        readings={item.name: readers for item in facts if (readers := item.readers(descriptor.title))},
        current=_current(descriptor, catalogue, mine),
        amount=catalogue.amounts.get(descriptor.title),
        alias=catalogue.aliases.get(descriptor.title),
    )


def _current(descriptor: Descriptor, catalogue: Sample, mine: Sequence[UnitFigures]) -> bool:
    """Whether a version belongs into the picture: it is what its name stands for, or the newest that a learner writes,
    or an older one that is still written; where there is none of these, the newest."""
    if any(unit.rate for unit in mine):
        return True
    same = [item for item in catalogue.storages or () if _name(item) == _name(descriptor)]
    written = [item for item in same if item.topic]
    alias = catalogue.aliases.get(descriptor.title)
    named = [item for item in same if alias is not None and item.version == alias.version]
    return any(descriptor is max(some, key=_age) for some in ([named, written] if named or written else [same]) if some)


def _age(descriptor: Descriptor) -> tuple[int, int]:
    return descriptor.version, descriptor.generation


def _without_units(descriptor: Descriptor) -> Condition:
    return Condition.NOT_STARTED if descriptor.topic else Condition.UNKNOWN


def _writes(unit: UnitFigures, descriptor: Descriptor) -> bool:
    return (f"{unit.unit.learner}@{unit.unit.version}", unit.unit.generation, unit.unit.topic) == (
        descriptor.writer,
        descriptor.generation,
        descriptor.topic,
    )


def _name(descriptor: Descriptor) -> tuple[str, str, str]:
    return descriptor.technology, descriptor.format, descriptor.name
