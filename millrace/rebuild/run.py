"""`millrace rebuild`: the course of one. Each step may be killed; the next rebuild goes on where the storage stands."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event

from learners import LearnerError
from learners.handover import Stretch, stretches
from millrace.logs import say_on_stderr
from millrace.platform import Platform
from millrace.product import Product
from millrace.progress_bar import watched
from millrace.rebuild.on_ray import fill_on_ray
from millrace.rebuild.rebuild import Rebuild
from millrace.settings import Settings
from millrace.told_to_stop import told_to_stop
from storage.comparison import Comparison

LOGGER = logging.getLogger("millrace.rebuild")


class RebuildDoubtful(LearnerError):
    """A new version has far fewer rows than the one that is read; it is filled, and not switched to."""


class RebuildEnded(LearnerError):
    """It was told to end before it was done; what is filled stays."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        switch: let the names point to the new version at the end.
        force: even if that is doubtful.
        follow: fold the log after that, until workers of the new version have taken over.
        ray: the address of a Ray cluster that fills it; None = this process does.
    """

    switch: bool = True
    force: bool = False
    follow: bool = False
    ray: str | None = None


@dataclass
class Rebuilt:
    """What came of it.

    Attributes:
        events: offsets that were filled from the archive, in so many `seconds`.
        compared: the new version's storages beside those that were read until then.
        answers: whether readers get the new version now.
    """

    learner: str
    version: int
    events: int = 0
    seconds: float = 0.0
    compared: Sequence[Comparison] = field(default_factory=list)
    answers: bool = False


def run_rebuild(folder: Path, learner: str, settings: Settings, wanted: Wanted) -> Rebuilt:
    """Fill a new version, catch up with the log, compare, switch. Blocks, until SIGTERM or SIGINT at the longest.

    Raises:
        ArchiveBehind: there are events that neither the archive nor the log has; nothing was begun.
        RebuildStopped: another process has claimed a unit.
        RebuildDoubtful: the new version is not switched to.
        RebuildEnded: it was told to.
    """
    say_on_stderr()
    stop = told_to_stop()
    with closing(Platform(settings)) as platform:
        rebuild = Rebuild(platform, Product.load(folder), learner)
        fill = rebuild.fill if wanted.ray is None else partial(fill_on_ray, wanted.ray, folder, learner)
        return Course(rebuild, wanted, fill, stop).run()


class Course:
    """One rebuild on its way.

    Args:
        fill: fills partitions from the archive; False if it was told to stop before.
    """

    def __init__(
        self, rebuild: Rebuild, wanted: Wanted, fill: Callable[[Collection[int], Event], bool], stop: Event
    ) -> None:
        self._rebuild, self._wanted, self._fill_them, self._stop = rebuild, wanted, fill, stop
        self._found = Rebuilt(rebuild.declaration.name, rebuild.version)
        self._doubt: str | None = None
        self._at_the_end = False

    def run(self) -> Rebuilt:
        """See `run_rebuild`."""
        rebuild, topic = self._rebuild, self._rebuild.declaration.topic
        rebuild.check()
        left = stretches(topic, rebuild.places())
        if not left and rebuild.answers():
            LOGGER.info("Readers get %s already. To fold the log anew, raise the learner's version.", rebuild.name)
            self._found.answers = True
            return self._found
        rebuild.declare()
        while left:
            self._fill(left)
            left = stretches(topic, rebuild.places(), again=True)
        self._catch_up()
        return self._found

    def _fill(self, left: dict[int, Stretch]) -> None:
        total, begun = sum(end - first for first, end in left.values()), time.monotonic()

        def done() -> int:
            positions = self._rebuild.positions()
            return sum(min(positions.get(at) or first, end) - first for at, (first, end) in left.items())

        with watched(f"Filling {self._rebuild.name} from the archive", total, done):
            whole = self._fill_them(left, self._stop)
        self._must_go_on(whole)
        self._found.events += total
        self._found.seconds += time.monotonic() - begun

    def _catch_up(self) -> None:
        positions = self._rebuild.positions()
        missing = {at: (positions.get(at, place.low), place.high) for at, place in self._rebuild.places().items()}
        behind = sum(max(0, high - at) for at, high in missing.values())

        def done() -> int:
            now = self._rebuild.positions()
            return sum(max(0, min(now.get(at, first), high) - first) for at, (first, high) in missing.items())

        with watched(f"Catching up with {self._rebuild.declaration.topic}", behind, done):
            self._rebuild.catch_up(self._caught_up, self._stop)
        if self._doubt is not None:
            raise RebuildDoubtful(self._doubt)
        self._must_go_on(self._at_the_end or not self._stop.is_set())
        if not self._at_the_end:
            LOGGER.info("Workers of %s go on from here; names follow once they have caught up.", self._rebuild.name)

    def _caught_up(self) -> bool:
        """Compare and switch, with every event folded that was in the log when catching up began; says whether that is
        the end. While a storage does not answer it is called again."""
        self._found.compared = self._rebuild.compared()
        doubts = [item.doubt for item in self._found.compared if item.doubt is not None]
        if doubts and not self._wanted.force and self._wanted.switch:
            self._doubt = (
                f"{doubts[0]}; readers keep what they have. If it is right, rebuild with --force, or "
                "`millrace storages switch` to it."
            )
            return True
        if self._wanted.switch:
            self._rebuild.switch()
        self._found.answers = self._rebuild.answers()
        self._at_the_end = True
        return not self._wanted.follow

    def _must_go_on(self, whole: bool) -> None:
        if not whole:
            raise RebuildEnded(
                f"The rebuild of {self._rebuild.name} was told to end. What is filled stays; the same command goes on."
            )
