"""A file that keeps the courses of lifts over a restart of the service."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from serving.measurements.lift_courses import LiftCourses
from serving.whole_file import put

LOGGER = logging.getLogger("millrace.experiments")
EVERY = 60.0
"""Seconds between two times that it is written."""


class LiftFile:
    """Written as a whole, so that one which was cut is no result of a crash; one that cannot be read is begun anew, as
    it holds nothing but a picture: what a lift is now rests on the learners' counts.

    Args:
        path: None = nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    async def keep(self, courses: LiftCourses) -> None:
        """Take what is kept, then write every minute, and once more when cancelled."""
        if self._path is None:
            return
        try:
            courses.take(await asyncio.to_thread(self._path.read_bytes))
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            LOGGER.warning("The lifts of before in %s cannot be read, and begin anew: %s", self._path, error)
        try:
            while True:
                await asyncio.sleep(EVERY)
                await asyncio.to_thread(self._save, courses.to_bytes())
        finally:
            self._save(courses.to_bytes())

    def _save(self, kept: bytes) -> None:
        assert self._path is not None
        try:
            put(self._path, kept)
        except OSError as error:
            LOGGER.warning("The lifts are not kept: %s", error)
