"""What the Jobs page shows: whether the last runs succeeded, what waits, a run's log; its form runs a job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from schemas.errors import MillraceError
from serving.console.jobs_graph import drawn
from serving.console.page import Done, Page
from serving.jobs import Jobs
from serving.measurements import Measurements
from serving.threads import Threads

Query = Mapping[str, str]
PATIENCE = 60.0
"""Seconds that the page waits for who knows of runs, which has to start for its first reader."""
EVERY = 3.0
"""Seconds between two looks while somebody looks at the page."""
QUIET = 60.0
"""Seconds without a sign of life after which the schedule counts as not running."""
MARKS = {"succeeded": "ok", "failed": "bad", "stopped": "warn", "running": "busy", "waiting": "off"}


class JobsPage:
    """The page over a product's jobs."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._threads = jobs, Threads(2)
        self._board: Mapping[str, Any] | None = None
        self._unread, self._asked = "", 0.0
        self._asking: asyncio.Task[None] | None = None

    def page(self) -> Page:
        """For the console."""
        return Page("jobs", "Jobs", "jobs.html", self.context, prepare=self.prepare, act=self.act)

    def context(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """What was seen last; while somebody looks, it is asked for again."""
        now = time.monotonic()
        if self._board is not None and now - self._asked > EVERY and (self._asking is None or self._asking.done()):
            self._asked = now
            self._asking = asyncio.get_running_loop().create_task(self._look())
        return self._shown(query)

    async def prepare(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """All jobs, and the log of the run that is asked for (`run`)."""
        await self._look()
        found = self._shown(query)
        run = query.get("run", "")
        if run:
            try:
                found["log"] = await self._threads.run(partial(self._jobs.log, run))
            except MillraceError as error:
                found["unlogged"] = str(error)
        return found

    async def act(self, form: Query) -> Done:
        """Run a job."""
        job = form.get("job", "")
        try:
            await self._threads.run(partial(self._jobs.run, job))
        except MillraceError as error:
            await self._look()
            return Done({"job": job}, 422, self._shown({"job": job}) | {"unread": str(error)})
        return Done({"job": job, "begun": "1"})

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                self._board = await self._threads.run(self._jobs.board)
            self._unread = ""
        except TimeoutError:
            self._unread = f"Who knows of runs has not answered within {PATIENCE:g} s."
        except MillraceError as error:
            self._unread = str(error)

    def _shown(self, query: Query) -> dict[str, Any]:
        board = self._board
        lines = list(board["jobs"]) if board else []
        chosen = next((line for line in lines if line["job"] == query.get("job")), None)
        failed = [line["job"] for line in lines if line["runs"] and line["runs"][0]["state"] == "failed"]
        return {
            "board": board,
            "lines": lines,
            "chosen": chosen,
            "run": query.get("run", ""),
            "begun": bool(query.get("begun")),
            "failed": failed,
            "scheduled": bool(board) and time.time() - (board["schedule_seen"] or 0.0) < QUIET if board else False,
            "by_itself": any(line["cron"] or line["after"] for line in lines),
            "graph": drawn(board["columns"], board["edges"], [line["job"] for line in lines]) if board else None,
            "states": {line["job"]: line["runs"][0]["state"] if line["runs"] else "" for line in lines},
            "marks": MARKS,
            "unread": self._unread,
            "log": None,
            "unlogged": "",
            "at": time.time(),
        }
