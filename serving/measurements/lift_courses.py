"""The courses of all lifts, and the bytes that keep them over a restart. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from serving.measurements.lift_course import LiftCourse, LiftPoint
from serving.measurements.results import ExperimentFigures

_Kept = list[tuple[str, str, float, list[LiftPoint]]]
"""Experiment, variant, seconds between points, points."""


class LiftCourses:
    """By experiment and variant."""

    def __init__(self) -> None:
        self._courses: dict[tuple[str, str], LiftCourse] = {}

    def note(self, at: float, experiments: Iterable[ExperimentFigures]) -> None:
        """Add what the experiments show at this moment."""
        for experiment in experiments:
            for variant in experiment.variants:
                if variant.lift is not None and (found := variant.lift.lift) is not None:
                    course = self._courses.setdefault((experiment.name, variant.name), LiftCourse())
                    course.add(LiftPoint(at, found.estimate, found.low, found.high))

    def of(self, experiment: str, variant: str) -> Sequence[LiftPoint]:
        """How a variant's lift went, oldest first."""
        found = self._courses.get((experiment, variant))
        return () if found is None else found.points

    def to_bytes(self) -> bytes:
        """All of them as JSON."""
        kept: _Kept = [(*names, course.apart, list(course.points)) for names, course in self._courses.items()]
        return msgspec.json.encode(kept)

    def take(self, kept: bytes) -> None:
        """Go on from what was kept.

        Raises:
            msgspec.MsgspecError: it is not what `to_bytes` makes; nothing of it is taken.
        """
        for experiment, variant, apart, points in msgspec.json.decode(kept, type=_Kept):
            course = self._courses[experiment, variant] = LiftCourse(apart)
            for point in points:
                course.add(point)
