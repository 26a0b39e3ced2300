"""The experiments of one replica: begun with what is on disk, kept up with the shared table, changed through it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from schemas.errors import MillraceError
from schemas.table import Rows, Table
from serving.errors import ExperimentRefused, ExperimentsUnavailable, SnapshotRefused
from serving.experiments import snapshot
from serving.experiments.changes import Changing
from serving.experiments.definition import Definition, of_bytes
from serving.experiments.known import Known
from serving.threads import Threads

LOGGER = logging.getLogger("millrace.experiments")
LOOK = 0.25
"""Seconds between two looks at the table: all replicas have a change within about that time."""
AGAIN = 1.0
"""Seconds between two looks while the table is away."""
PATIENCE = 20.0
"""Seconds that a change may take before whoever asked is told that its outcome is not known."""


class Experiments:
    """For one event loop; what blocks runs in threads.

    While the table is away everything goes on as it was last known, and nothing can be changed.

    Args:
        declared: in code; see `known.declared`.
        table: where definitions are shared; None = there is none, and what is declared holds.
        file: where this replica keeps its copy; None = it keeps none.

    Attributes:
        known: what is known now. Replaced as a whole.
        away: why the table does not answer; empty while it does.
        damaged: rows that cannot be read, in a sentence each.
    """

    def __init__(
        self, declared: Mapping[str, Definition], table: Table | None = None, file: Path | None = None
    ) -> None:
        self._table, self._file = table, file
        self._threads, self._taking = Threads(2), asyncio.Lock()
        self._rows: Rows = {}
        self._listeners: list[Callable[[Known], None]] = []
        self.away, self.damaged = "", tuple[str, ...]()
        self.known = Known(declared, {})
        if file is not None:
            try:
                self._take(snapshot.load(file))
            except SnapshotRefused as error:
                LOGGER.error("%s", error)

    @property
    def changeable(self) -> bool:
        """Whether there is a table."""
        return self._table is not None

    def listen(self, listener: Callable[[Known], None]) -> None:
        """Be told what is known now, and after each change, on the event loop."""
        self._listeners.append(listener)
        listener(self.known)

    async def begin(self, patience: float) -> None:
        """Look at the table once, for so many seconds at most."""
        if self._table is not None:
            try:
                await asyncio.wait_for(self._look(self._table), patience)
            except TimeoutError:
                self.away = "the experiments' topic did not answer yet"

    async def run(self) -> None:
        """Keep up with the table until cancelled."""
        while self._table is not None:
            await asyncio.sleep(AGAIN if self.away else LOOK)
            await self._look(self._table)

    async def change(self, name: str, changing: Changing) -> Definition:
        """Change an experiment: decided on what the table has at that moment, while nobody else writes. Returns when
        this replica does so; the others follow within `LOOK`.

        Raises:
            ExperimentRefused: it cannot be; nothing was changed.
            ExperimentsUnavailable: nothing was changed, or that is not known.
        """
        if self._table is None:
            raise ExperimentsUnavailable("This service has no table of experiments; it serves what the code declares.")
        decide = partial(self._decided, changing)
        try:
            rows = await asyncio.wait_for(self._threads.run(partial(self._table.change, decide)), PATIENCE)
        except ExperimentRefused:
            raise
        except TimeoutError as error:
            raise ExperimentsUnavailable(
                f"The topic did not answer within {PATIENCE:g} s; look what it says."
            ) from error
        except MillraceError as error:
            raise ExperimentsUnavailable(f"The experiments cannot be changed now: {error}") from error
        await self._taken(rows)
        return self.known.all[name]

    def _decided(self, changing: Changing, rows: Rows) -> tuple[str, bytes] | None:
        """On a thread, with the newest rows."""
        item = changing(Known(self.known.declared, _read(rows, self.known.recorded)[0]))
        return None if item is None else (item.name, item.to_bytes())

    async def _look(self, table: Table) -> None:
        try:
            rows = await self._threads.run(table.rows)
        except Exception as error:  # whatever it is, it must not end what all later changes depend on
            if not self.away:
                LOGGER.warning("Experiments stay as they are, as their topic does not answer: %s", error)
            self.away = f"the experiments' topic does not answer: {error}"
            return
        if self.away:
            LOGGER.info("The experiments' topic answers again.")
        self.away = ""
        await self._taken(rows)

    async def _taken(self, rows: Rows) -> None:
        async with self._taking:  # so that files are written in the order in which rows were read
            if rows == self._rows:
                return
            self._take(rows)
            for listener in self._listeners:
                listener(self.known)
            if self._file is not None:
                try:
                    await self._threads.run(partial(snapshot.save, self._file, rows))
                except OSError as error:
                    LOGGER.error("The experiments are not kept on disk: %s", error)

    def _take(self, rows: Rows) -> None:
        recorded, damaged = _read(rows, self.known.recorded)
        for sentence in damaged:
            if sentence not in self.damaged:
                LOGGER.error("%s", sentence)
        self._rows, self.damaged = rows, damaged
        self.known = Known(self.known.declared, recorded)


def _read(rows: Rows, before: Mapping[str, Definition]) -> tuple[dict[str, Definition], tuple[str, ...]]:
    """The definitions, and what is wrong with those that cannot be read: of these the one before stays."""
    found, damaged = dict[str, Definition](), list[str]()
    for name, row in rows.items():
        try:
            found[name] = of_bytes(row, name)
        except ExperimentRefused as error:
            damaged.append(str(error))
            if name in before:
                found[name] = before[name]
    return found, tuple(damaged)
