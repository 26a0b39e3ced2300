"""A lift's course stays small however long it is looked at, from the first look to the newest."""

from __future__ import annotations

from itertools import pairwise

from serving.measurements.lift_course import KEPT, LiftCourse, LiftPoint


def test_it_keeps_the_first_and_the_newest_look_and_thins_what_is_between() -> None:
    course = LiftCourse()
    for second in range(10_000):
        course.add(LiftPoint(float(second), second / 1e4, None, None))

    times = [point.at for point in course.points]

    assert (times[0], times[-1]) == (0.0, 9_999.0)
    assert KEPT / 4 <= len(times) <= KEPT + 1
    assert times == sorted(times)
    gaps = {after - before for before, after in pairwise(times[:-1])}
    assert max(gaps) <= 2 * min(gaps)


def test_the_newest_look_is_shown_though_it_is_close_to_the_last() -> None:
    course = LiftCourse()
    course.add(LiftPoint(0.0, 0.1, None, None))
    course.add(LiftPoint(0.5, 0.2, 0.0, 0.4))

    assert [point.lift for point in course.points] == [0.1, 0.2]
    course.add(LiftPoint(0.6, 0.3, 0.0, 0.4))
    assert [point.lift for point in course.points] == [0.1, 0.3]
