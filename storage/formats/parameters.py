"""Parameters: what a model has learned, one set for each unit; readers merge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar

from storage.address import Address
from storage.errors import FormatRefused, WriteRefused
from storage.formats.format import Format
from storage.options import MERGES, Merge
from storage.session import Session
from storage.snapshots.model_filling import NoPlace, fill
from storage.snapshots.model_state import NotHeld, state_of
from storage.snapshots.snapshot import LAYOUT, Snapshot

M = TypeVar("M")


class Parameters(Format, Generic[M]):
    """A model that is trained while folding. Each unit trains its own; what it has learned is written back once per
    commit, under the unit's partition, and read again when the unit is claimed.

    A model is what its factory makes: one of River's, dictionaries of numpy arrays, any object whose attributes are
    numbers, arrays and mappings of numbers, or one that has `parameters()`, its arrays by name, and `load(parameters)`.
    A part that the factory does not make, such as the nodes of a growing tree, is refused at the first commit.

    Args:
        factory: makes a model that has learned nothing; the same each time, as what was learned is put into a new one.
        merge: how readers make one model of those of all units: "average" (weights of linear models, by examples),
            "sum" (of what is a sum over examples and begins at zero), or "ensemble" (the mean of the predictions).

    Raises:
        FormatRefused: an option makes no sense.
    """

    format: ClassVar[str] = "parameters"
    reads_back: ClassVar[bool] = True

    def __init__(
        self, name: str, factory: Callable[[], M], merge: Merge = "average", technology: str = "redis"
    ) -> None:
        super().__init__(name, technology)
        if merge not in MERGES:
            raise FormatRefused(f"{self.storage} has the merge {merge!r}; use one of {', '.join(MERGES)}.")
        self.factory, self.merge = factory, merge
        self._model: M | None = None
        self._fresh: M | None = None
        self._row: bytes | None = None
        self._examples = self._asked = self._written = 0

    @property
    def options(self) -> Mapping[str, Any]:
        """How units are merged, and the layout of the rows."""
        return {"merge": self.merge, "layout": LAYOUT}

    def bind(self, session: Session) -> Self:
        """A copy whose model is this unit's, written before each commit."""
        bound = super().bind(session)
        session.before_taking(bound._write)
        return bound

    @property
    def value(self) -> M:
        """The unit's model, to be trained. Blocks for a read when it is first asked for after a claim.

        The events at which it is asked for are its examples, by which an average is weighted; a batch counts as all its
        events, so a frame learner asks for it in every batch.

        Raises:
            FormatRefused: what was learned has no place in what the factory makes, or another layout.
            SuspectGeneration: the row was cut or changed.
        """
        session = self._session or self.session  # a call less: it is asked for at each event
        if self._model is None:
            self._model = self._restored()
        if session.step != self._asked:
            self._asked = session.step
            self._examples += session.examples
        return self._model

    @property
    def _unit(self) -> str:
        return str(self.session.partition)

    def _restored(self) -> M:
        model = self.factory()
        (self._row,) = self.session.load([Address(self.storage, self._unit)])
        if self._row is not None:
            snapshot = Snapshot.of_bytes(self._row, f"{self.storage} of unit {self._unit}")
            filled(model, snapshot.values, self.storage)
            self._examples = snapshot.examples
        return model

    def _write(self) -> None:
        """Put what was learned since the last commit. It is looked at even where nobody asked for it, as a learner may
        have kept the model."""
        if self._model is None or self.session.step == self._written:
            return
        self._written = self.session.step
        row = self._encoded(self._model)
        if row != self._row:
            self.session.writes.puts[Address(self.storage, self._unit)] = self._row = row

    def _encoded(self, model: M) -> bytes:
        if self._fresh is None:
            self._fresh = self.factory()
        try:
            values, as_made = state_of(model, self._fresh)
            return Snapshot(self._examples, values, as_made).to_bytes()
        except NotHeld as error:
            raise WriteRefused(
                f"{self.storage} cannot hold {type(model).__name__}: {error}. Use a model whose parts its factory "
                "makes all at once, or give it `parameters()` and `load(parameters)`."
            ) from error
        except ValueError as error:
            raise WriteRefused(f"{self.storage} cannot hold {type(model).__name__}: {error}.") from error


def filled(model: M, values: Mapping[str, Any], what: str) -> M:
    """A fresh model with what was learned in it. Raises FormatRefused where it has no place for it."""
    try:
        fill(model, values)
    except NoPlace as error:
        raise FormatRefused(
            f"{what} does not fit what the factory makes: {error}. Another model needs a new version of its learner."
        ) from error
    return model
