"""What takes long beside the event loop that answers holds up nobody there."""

from __future__ import annotations

import asyncio
import threading

import pytest

from serving.storages.side_loop import SideLoop


async def test_what_blocks_there_does_not_block_here() -> None:
    side, going_on = SideLoop("side"), threading.Event()

    async def blocking() -> str:
        assert going_on.wait(30)  # as a long row that is decoded would
        return threading.current_thread().name

    asked = asyncio.create_task(side.run(blocking()))
    for _ in range(3):
        await asyncio.sleep(0.01)
    assert not asked.done(), "and this loop has gone round meanwhile"
    going_on.set()
    assert await asked == "side"
    await side.close([])


async def test_errors_come_from_there_and_cancelling_goes_there() -> None:
    side, cancelled = SideLoop("side"), threading.Event()

    async def failing() -> None:
        raise ValueError("over there")

    async def waiting() -> None:
        try:
            await asyncio.sleep(3_600)
        finally:
            cancelled.set()

    with pytest.raises(ValueError, match="over there"):
        await side.run(failing())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await side.run(waiting())
    assert await asyncio.to_thread(cancelled.wait, 30)
    await side.close([])


async def test_its_end_closes_what_was_opened_there_and_it_can_begin_again() -> None:
    side, closed = SideLoop("side"), []

    async def closing() -> None:
        closed.append(threading.current_thread().name)

    await side.close(closing() for _ in range(2))
    assert closed == [], "nothing was opened"
    for _ in range(2):
        await side.run(asyncio.sleep(0))
        await side.close([closing()])
    assert closed == ["side", "side"]
