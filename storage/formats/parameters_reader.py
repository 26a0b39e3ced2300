"""Parameters, read: the models of all units as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from schemas import Record
from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.formats.ensemble import Ensemble
from storage.formats.parameters import filled
from storage.reader import Located, Reader
from storage.snapshots.merging import merged
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Numbers, Value

Rows = tuple[tuple[str, bytes], ...]
GUESSED = ("0",)
"""Units that are read before it is known which there are."""


class ParametersReader(Reader):
    """Reads `Parameters`. What was read and merged is kept until a unit's row changes, so that asking again costs no
    more than reading the rows."""

    format = "parameters"

    def __init__(self, locate: Callable[[], Located], record: type[Record] | None = None) -> None:
        """See `Reader`."""
        super().__init__(locate)
        self._factory: Callable[[], Any] | None = None
        self._units: tuple[str, tuple[str, ...]] = "", GUESSED
        self._decoded: dict[str, tuple[bytes, Snapshot]] = {}
        self._made: tuple[object, ...] = ()
        self._given: Any = None

    def making(self, factory: Callable[[], Any]) -> Self:
        """A reader whose `get` gives models that this factory made."""
        reader = copy(self)
        reader._factory, reader._decoded, reader._made = factory, {}, ()
        return reader

    async def get(self, factory: Callable[[], Any] | None = None, *, fresh: bool = False) -> Any:
        """All units' models as one, by the storage's way to merge.

        Args:
            factory: makes a model to put the parameters into; the same that the learner has. None = the one that this
                reader was given (`Annotated[mr.ParametersReader, like_model]`), or none.
            fresh: see `Reader`.

        Returns:
            With a factory a model, shared by all who ask, so it is not to be trained; where nothing was learned yet, a
            fresh one. Merged by "ensemble" it is an `Ensemble`, which has `predict_one` and `predict_proba_one`.
            Without one the values by their path: arrays, numbers, texts, and numbers by key; empty where nothing was
            learned. They cannot be changed.

        Raises:
            FormatRefused: units whose parameters cannot be merged, no factory for an ensemble, or one that makes
                another model.
            SuspectGeneration: a row was cut or changed.
        """
        make = factory or self._factory
        located = self._located(fresh)
        rows = await self._rows(located)
        made = make, located.descriptor, rows
        if made != self._made:
            self._given = self._merged(located.descriptor, rows, make)
            self._made = made
        return self._given

    async def _rows(self, located: Located) -> Rows:
        """Each unit's row. Units seldom change, so their rows are read together with the question which there are."""
        reads, descriptor = located
        title, expected = self._units
        if title != descriptor.title:
            expected = GUESSED
        states, rows = await asyncio.gather(reads.units(descriptor), reads.rows(descriptor, expected))
        units = tuple(str(state.unit.partition) for state in states)
        if units != expected:
            rows = await reads.rows(descriptor, units) if units else []
        self._units = descriptor.title, units
        return tuple((unit, row) for unit, row in zip(units, rows, strict=True) if row is not None)

    def _merged(self, descriptor: Descriptor, rows: Rows, make: Callable[[], Any] | None) -> Any:
        snapshots = self._snapshots(descriptor, rows)
        if descriptor.options["merge"] == "ensemble":
            if make is None:
                raise FormatRefused(
                    f"{descriptor.title} is an ensemble of its units' models; name the factory that makes them: "
                    f"`Annotated[ParametersReader, factory]`, or `get(factory)`."
                )
            models = [filled(make(), each.values, descriptor.title) for each in snapshots]
            return Ensemble(models or [make()])
        values = merged(snapshots, descriptor.options["merge"], descriptor.title) if snapshots else {}
        return _frozen(values) if make is None else filled(make(), values, descriptor.title)

    def _snapshots(self, descriptor: Descriptor, rows: Rows) -> Sequence[Snapshot]:
        """Decoded anew only where a row has changed."""
        known = self._decoded
        self._decoded = {
            unit: known[unit]
            if unit in known and known[unit][0] == row
            else (row, Snapshot.of_bytes(row, f"{descriptor.title} of unit {unit}"))
            for unit, row in rows
        }
        return [self._decoded[unit][1] for unit, _ in rows]


def _frozen(values: Mapping[str, Value]) -> Mapping[str, Any]:
    return MappingProxyType({path: _fixed(value) for path, value in values.items()})


def _fixed(value: Value) -> Any:
    if isinstance(value, Numbers):
        return MappingProxyType(value.by_key)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    return value
