"""The course of an erasure: look, wait for what is under way, remove, look again, and put it into the audit log."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from datetime import UTC, datetime

from millrace.erasure.archives import Archives
from millrace.erasure.logs import Logs
from millrace.erasure.person import Person
from millrace.erasure.report import Report
from millrace.erasure.storages import Storages
from millrace.platform import Platform
from schemas import Audit
from storage.erasure import Traces

ROUNDS = 3
"""So often it is removed what is found when looking again."""
AGAIN = 1.0
"""Seconds until it is looked again, in which what was under way arrives."""


class Erasure:
    """Looks for one person, and removes what is found. Its calls block.

    Args:
        subject: the person, as events name it.
        left_out: titles of versions, or of storages, that are not touched: a key that reads the same is no person's.
        undeclared: also what is folded from topics whose events do not say whom they are about.
    """

    def __init__(
        self, platform: Platform, subject: str, left_out: Collection[str] = (), undeclared: bool = False
    ) -> None:
        self._platform = platform
        person = Person.of(platform, subject)
        self.report = Report(uuid.uuid4().hex, subject, datetime.now(UTC).isoformat(timespec="seconds"))
        self._storages = Storages(platform, person, self.report, left_out, undeclared)
        self._archives = Archives(platform.settings, person, self.report)
        self._logs = Logs(platform.topics, person, self.report)

    def look(self) -> Report:
        """Find it everywhere; nothing is changed."""
        stored = [one.place for one in self._storages.versions()]
        self.report.places = [*stored, *self._archives.places(), *self._logs.places()]
        return self.report

    def erase(self, patience: float) -> Report:
        """Remove it, and look again.

        Args:
            patience: seconds that units and archives may take to come to where their logs end now. Events that they
                have not had then are folded later, and what is the person's among them is there again.
        """
        self._wait(patience)
        report = self.look()
        report.erased = True
        self._archives.erase()  # first: a rebuild that begins now must not find there what is removed from storages
        left = self._remove()
        for place in report.places:
            if place.kind == "storage" and not place.remains.startswith("not touched"):
                traces = left.get(place.place, Traces())
                place.left = traces.rows + traces.items
        places = [place for place in report.places if place.left is not None]
        report.complete = not (report.behind or report.problems or any(place.left for place in places))
        self._tell()
        return report

    def _wait(self, patience: float) -> None:
        """Until units and archives have had what is in the logs now, or patience is at an end."""
        ends = self._logs.ends(self._storages.topics())
        until = time.monotonic() + patience
        while True:
            self.report.behind = [*self._storages.behind(ends), *self._archives.behind(ends)]
            if not self.report.behind or time.monotonic() >= until:
                return
            time.sleep(0.5)

    def _remove(self) -> dict[str, Traces]:
        """Remove it from storages until nothing is found any more; what was found last, by version."""
        left: dict[str, Traces] = {}
        for number in range(ROUNDS):
            if number:
                time.sleep(AGAIN)
            versions = [one for one in self._storages.versions() if one.taken]
            known = {place.place for place in self.report.places}
            self.report.places += [one.place for one in versions if one.found.gone and one.place.place not in known]
            left = {one.descriptor.title: one.found for one in versions if one.found.gone}
            if number and not left:
                break
            self._storages.remove(versions)
        return left

    def _tell(self) -> None:
        """Put it into the audit log, without a name."""
        with self.report.noting("The audit log"):
            self._platform.prepare_topic(Audit.event_type)
            values = {
                "at": datetime.now(UTC),
                "who": "command line",
                "key": None,
                "action": "erase",
                "target": f"erasure/{self.report.id}",
                "outcome": "done" if self.report.complete else "failed",
                "status": 200 if self.report.complete else 500,
            }
            self._platform.producer.send(Audit.event_type, values)
            self._platform.producer.flush()
