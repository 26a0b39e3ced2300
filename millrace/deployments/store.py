"""Deployed products as all services and workers share them: one compacted topic, and this machine's disk.

Rows of the topic: `product/NAME` is a `Record`; `archive/NAME/HASH/N` is a part of an archive, all of which are there
before a record names them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from millrace.deployments.archive import SHOWN, Archive
from millrace.deployments.errors import DeploymentConflict, DeploymentRefused, DeploymentsUnavailable
from millrace.deployments.loading import OnDisk
from millrace.deployments.names import clashes
from millrace.deployments.record import Record, Who
from millrace.deployments.report import Report
from millrace.deployments.shelf import Shelf
from schemas.errors import MillraceError
from schemas.table import Decide, Rows, Table

LOGGER = logging.getLogger("millrace.deployments")
PART = 512 * 1024
"""Bytes of a part: Kafka takes messages of a mebibyte."""
Records = Mapping[str, Record]


class Store:
    """Any thread may use it; calls block."""

    def __init__(self, table: Table, shelf: Shelf) -> None:
        self._table, self.shelf = table, shelf
        self._rows: Rows = {}
        self._read: tuple[Rows, Records] | None = None

    def begin(self) -> Records:
        """What was deployed when this machine last heard of it. What its disk need not keep any more is removed."""
        records = self._remembered()
        self.shelf.tidy({name: item.parts for name, item in records.items()})
        return records

    def records(self) -> Records:
        """What is deployed now; kept on disk if that is news.

        Raises:
            DeploymentsUnavailable: the topic does not answer.
        """
        return self._taken(_asked(self._table.rows))

    def fetch(self, name: str, hash: str) -> None:
        """Unpack a version that is deployed, unless it is on this machine.

        Raises:
            DeploymentRefused, DeploymentsUnavailable: it is not in the topic as it should be.
        """
        if self.shelf.has(name, hash):
            return
        rows = _asked(self._table.rows)
        parts = [rows.get(_part(name, hash, number), b"") for number in range(_most(rows, name, hash))]
        if not parts or b"" in parts:
            raise DeploymentRefused(f"The archive of {name} {hash[:SHOWN]} is not kept any more; deploy it anew.")
        archive = Archive.of_bytes(b"".join(parts))
        if archive.hash != hash:
            raise DeploymentRefused(f"The archive of {name} is not {hash[:SHOWN]} as it should be; deploy it anew.")
        self.shelf.put(name, archive)

    def place(self, name: str, hash: str, others: Iterable[tuple[str, Path]] = ()) -> OnDisk:
        """The same, and where it is, with its packages installed. Raises what `fetch` and `Shelf.place` do."""
        self.fetch(name, hash)
        return self.shelf.place(name, hash, others)

    def publish(self, name: str, archive: Archive, report: Report, who: Who, counts: bool) -> Records:
        """Let everybody serve and learn this version; what is deployed then. Decided while nobody else writes.

        Args:
            counts: see `Record`.

        Raises:
            DeploymentConflict: meanwhile another product was deployed that has one of its names.
            DeploymentsUnavailable: nothing was changed, or that is not known.
        """
        packed = archive.packed()
        parts = [packed[at : at + PART] for at in range(0, len(packed), PART)]
        for number, part in enumerate(parts):
            self._change(partial(_unless_there, _part(name, archive.hash, number), part))

        def decide(rows: Rows) -> tuple[str, bytes]:
            if _most(rows, name, archive.hash) != len(parts):
                raise DeploymentConflict(f"Another deployment of {name} came between; try again.")
            records = _records(rows)
            found = clashes(report.names, {other: item.names for other, item in records.items() if other != name})
            if found:
                raise DeploymentConflict(*found)
            before = records.get(name, Record(name))
            return _row(before.deployed(archive.hash, len(parts), report, who, counts))

        records = self._taken(self._change(decide))
        self._tidy(records[name])
        return records

    def withdraw(self, name: str, who: Who) -> Records:
        """Let nobody serve and learn it any more; what is deployed then. Its archives stay, to deploy it again.

        Raises:
            DeploymentConflict: it is not deployed.
            DeploymentsUnavailable: nothing was changed, or that is not known.
        """
        return self._taken(self._change(lambda rows: _row(_known(rows, name).undeployed(who))))

    def refused(self, name: str, hash: str, why: str, who: Who) -> Records:
        """Keep in the history that somebody tried in vain, if Kafka is there; what is deployed."""
        try:
            self._change(lambda rows: _row(_records(rows).get(name, Record(name)).refused(hash, why, who)))
        except DeploymentsUnavailable as error:
            LOGGER.warning("That %s was refused is not in its history: %s", name, error)
        return self._taken(self._rows)

    def _remembered(self) -> Records:
        try:
            rows = self.shelf.remembered()
            return _records({_RECORD + name: row for name, row in rows.items()})
        except (OSError, ValueError) as error:
            LOGGER.error("What was deployed is not known from the disk, and waits for Kafka: %s", error)
            return {}

    def _taken(self, rows: Rows) -> Records:
        """The products in these rows; kept on disk if that is news."""
        self._rows = rows
        if self._read is None or self._read[0] != rows:
            records = _records(rows)
            try:
                self.shelf.remember({name: rows[_RECORD + name] for name in records})
            except OSError as error:
                LOGGER.error("What is deployed is not kept on disk: %s", error)
            self._read = rows, records
        return self._read[1]

    def _tidy(self, record: Record) -> None:
        """Remove archives that are not kept any more."""
        mine = f"{_ARCHIVE}{record.name}/"
        for key in [key for key in self._rows if key.startswith(mine)]:
            if key.removeprefix(mine).partition("/")[0] not in record.parts:
                try:
                    self._change(lambda rows, key=key: (key, None) if key in rows else None)  # type: ignore[misc]
                except DeploymentsUnavailable as error:
                    LOGGER.warning("An archive of %s that is not needed stays: %s", record.name, error)
                    return

    def _change(self, decide: Decide) -> Rows:
        self._rows = _asked(partial(self._table.change, decide))
        return self._rows


_RECORD, _ARCHIVE = "product/", "archive/"


def _part(name: str, hash: str, number: int) -> str:
    return f"{_ARCHIVE}{name}/{hash}/{number}"


def _most(rows: Rows, name: str, hash: str) -> int:
    """How many parts of an archive there are."""
    return sum(key.startswith(f"{_ARCHIVE}{name}/{hash}/") for key in rows)


def _unless_there(key: str, value: bytes, rows: Rows) -> tuple[str, bytes] | None:
    return None if key in rows else (key, value)


def _row(record: Record) -> tuple[str, bytes]:
    return _RECORD + record.name, msgspec.json.encode(record)


def _records(rows: Rows) -> dict[str, Record]:
    """The products, in the order of their names. One that cannot be read is passed over, and said."""
    found = {}
    for key in sorted(key for key in rows if key.startswith(_RECORD)):
        name = key.removeprefix(_RECORD)
        try:
            found[name] = msgspec.json.decode(rows[key], type=Record)
        except msgspec.MsgspecError as error:
            LOGGER.error("What is deployed as %s cannot be read: %s", name, error)
    return found


def _known(rows: Rows, name: str) -> Record:
    found = _records(rows).get(name)
    if found is None:
        raise DeploymentConflict(f"Nothing was deployed as {name}; known are: {', '.join(_records(rows)) or 'none'}.")
    return found


def _asked(ask: Callable[[], Rows]) -> Rows:
    try:
        return ask()
    except (DeploymentRefused, DeploymentsUnavailable):
        raise
    except MillraceError as error:
        raise DeploymentsUnavailable(f"Kafka's topic of deployments does not answer: {error}") from error
