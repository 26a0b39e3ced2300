"""The process that runs jobs by themselves: Dagster's daemon, kept up, and begun anew when jobs change."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from learners.jobs.errors import JobRefused, needing_dagster
from millrace.jobs.around import home_of
from millrace.jobs.product_jobs import ProductJobs, stamp
from millrace.logs import say_on_stderr
from millrace.settings import Settings
from millrace.told_to_stop import told_to_stop
from schemas.errors import MillraceError

LOGGER = logging.getLogger("millrace.jobs")
FOLDERS = "MILLRACE_JOBS_FOLDERS"
"""The variable by which the daemon's processes are told the products' folders."""
LOOK = 2.0
"""Seconds between two looks at the files with jobs, and at the daemon."""
END = 20.0
"""Seconds that the daemon has to end."""
_DAEMON = "from dagster._daemon.cli import main; main()"


def run_schedule(folders: Sequence[Path], settings: Settings) -> None:
    """Run the jobs of these products when they are due, until SIGTERM or SIGINT. Blocks.

    Jobs that change count within seconds; where they are wrong then, those from before go on, and the log says why.

    Raises:
        JobsMissing: Dagster is not installed.
        JobRefused, ProductError: a product declares no jobs, or wrong ones; or another schedule runs here.
    """
    say_on_stderr()
    must_be_sound(folders)
    with needing_dagster():
        from learners.jobs.home import opened_instance, prepared
    stop, home = told_to_stop(), home_of(settings)
    place = prepared(home, settings.jobs_at_once)
    with opened_instance(home, settings.jobs_at_once):
        pass  # the daemon's processes, which wait for nobody, find its records made
    with _alone(home):
        _kept_up(folders, place, stop)


def must_be_sound(folders: Sequence[Path]) -> None:
    """Raises JobRefused or ProductError where jobs of one of the folders cannot run."""
    with needing_dagster():
        from learners.jobs.project import must_come
    for folder in folders:
        for job in ProductJobs.some(folder).chain.jobs.values():
            must_come(job)


def _kept_up(folders: Sequence[Path], place: Path, stop: threading.Event) -> None:
    stamps = [stamp(folder) for folder in folders]
    daemon = _begun(folders, place)
    try:
        while not stop.wait(LOOK):
            if daemon.poll() is not None:
                LOGGER.warning("Dagster's daemon ended with code %s; it is started again.", daemon.returncode)
                daemon = _begun(folders, place)
            now = [stamp(folder) for folder in folders]
            if now != stamps:
                stamps = now
                try:
                    must_be_sound(folders)
                except MillraceError as error:
                    LOGGER.error("Jobs go on as they were: %s", error)
                    continue
                LOGGER.info("Jobs have changed.")
                _end(daemon)
                daemon = _begun(folders, place)
    finally:
        _end(daemon)


def _begun(folders: Sequence[Path], place: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _DAEMON, "run", "-m", "millrace.jobs.location", "--log-level", "warning"]
    told = os.pathsep.join(str(folder.resolve()) for folder in folders)
    environment = {**os.environ, "DAGSTER_HOME": str(place), FOLDERS: told}
    jobs = sum(len(ProductJobs.load(folder).chain.jobs) for folder in folders)
    LOGGER.info("The schedule of %d jobs runs; its records are in %s.", jobs, place)
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(END)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two daemons over the same records would run everything twice."""
    with (home / "schedule.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobRefused(
                f"A schedule runs already in {home}; stop it first, and name all folders: millrace jobs schedule A B."
            ) from None
        yield
