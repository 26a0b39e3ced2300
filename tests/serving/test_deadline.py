"""Deadlines end what is late, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from serving import deadline as module
from serving.deadline import deadline

LONG, SHORT = 60.0, 0.02


def line(seconds: float) -> module._Line:
    """All deadlines of this loop that are so long."""
    return module._LINES[asyncio.get_running_loop(), round(seconds * 1000)]


async def within(seconds: float, work: Awaitable[object]) -> str:
    """How it ended."""
    limit = deadline(seconds)
    try:
        await work
    except asyncio.CancelledError:
        if not limit.end():
            raise
        return "late"
    except ValueError:
        limit.end()
        return "late, and failed" if limit.passed else "failed"
    limit.end()
    return "late, and done" if limit.passed else "done"


async def stubborn(error: Exception | None = None) -> None:
    """Goes on when it is cancelled, once."""
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        if error is not None:
            raise error from None


async def fail() -> None:
    raise ValueError


async def test_what_is_late_is_ended_and_what_is_not_is_left_alone() -> None:
    both = asyncio.gather(*(within(SHORT, asyncio.sleep(LONG)) for _ in range(20)), within(LONG, asyncio.sleep(0)))
    assert await asyncio.wait_for(both, LONG) == ["late"] * 20 + ["done"]


@pytest.mark.parametrize(
    ("work", "ended"),
    [(stubborn(), "late, and done"), (stubborn(ValueError()), "late, and failed"), (fail(), "failed")],
)
async def test_however_it_ends_the_task_is_not_left_cancelled(work: Awaitable[object], ended: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    assert await within(SHORT, work) == ended
    assert task.cancelling() == 0
    await asyncio.sleep(0)


@pytest.mark.parametrize("seconds", [LONG, SHORT])
async def test_who_stops_the_task_stops_it_also_where_the_deadline_passes_at_that_moment(seconds: float) -> None:
    task = asyncio.create_task(within(seconds, asyncio.sleep(LONG)))
    await asyncio.sleep(0)
    task.cancel()
    line(seconds).waiting[-1].pass_()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_has_ended_waits_for_no_timer_and_is_not_kept() -> None:
    for _ in range(100):
        await within(LONG + 1, asyncio.sleep(0))
    assert len(line(LONG + 1).waiting) == 1


async def test_lines_that_are_empty_are_forgotten() -> None:
    for number in range(1, 50):
        await within(number / 1000, asyncio.sleep(0))
    while module._LINES.keys() & {(asyncio.get_running_loop(), number) for number in range(1, 50)}:
        await asyncio.sleep(0.01)
