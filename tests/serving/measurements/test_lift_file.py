"""The courses of lifts go on where they were after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serving.measurements import lift_file
from serving.measurements.lift import Lift, Range
from serving.measurements.lift_courses import LiftCourses
from serving.measurements.lift_file import LiftFile
from serving.measurements.results import ExperimentFigures, VariantFigures


def shown(lift: float) -> ExperimentFigures:
    """An experiment whose second variant has this lift."""
    found = Lift(Range(lift / 10, None, None), Range(lift, lift - 0.1, None))
    variants = [VariantFigures(name, 0.5, 1, 0.5, 1, 1.0, None, ()) for name in ("old", "new")]
    variants[1] = VariantFigures("new", 0.5, 1, 0.5, 1, 1.0, None, (), lift=found)
    return ExperimentFigures("shelf", "recommend", "click", tuple(variants), 0.0)


class Watched(LiftCourses):
    """Says when it is written for the first time, which is after what was kept was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def to_bytes(self) -> bytes:
        self.written.set()
        return super().to_bytes()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, in less time."""
    monkeypatch.setattr(lift_file, "EVERY", 0.01)


async def kept(path: Path, courses: Watched) -> None:
    """Run the keeping from its start to its end, as a service does."""
    task = asyncio.create_task(LiftFile(path).keep(courses))
    async with asyncio.timeout(60):
        await courses.written.wait()
    task.cancel()
    await asyncio.wait([task])


async def test_a_course_goes_on_after_a_restart(tmp_path: Path) -> None:
    path, first, second = tmp_path / "state" / "lifts.json", Watched(), Watched()
    for at in range(5):
        first.note(float(at), [shown(at / 10)])
    await kept(path, first)

    await kept(path, second)
    second.note(60.0, [shown(0.9)])

    assert [point.lift for point in second.of("shelf", "new")] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.9]
    assert second.of("shelf", "new")[0].low == -0.1
    assert second.of("shelf", "new")[0].high is None
    assert second.of("shelf", "old") == ()


async def test_a_file_that_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    path, courses = tmp_path / "lifts.json", Watched()
    path.write_bytes(b'[["shelf", "new", 1.0, [{"at":')

    await kept(path, courses)

    assert courses.of("shelf", "new") == ()
    assert path.read_bytes() == b"[]"


async def test_without_a_file_nothing_is_kept() -> None:
    await LiftFile(None).keep(LiftCourses())
