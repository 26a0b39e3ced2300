"""Plain functions beside the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from serving.threads import Threads


async def test_a_function_gives_its_value_or_raises() -> None:
    threads = Threads()
    assert await threads.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run(lambda: next(iter(())))


async def test_no_more_functions_run_at_once_than_there_are_threads() -> None:
    threads, running, most = Threads(2), 0, 0
    lock, go = threading.Lock(), threading.Event()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(5)
        with lock:
            running -= 1

    tasks = [asyncio.create_task(threads.run(work)) for _ in range(6)]
    await asyncio.sleep(0.05)
    go.set()
    await asyncio.gather(*tasks)
    assert most == 2


async def test_a_function_nobody_waits_for_any_more_is_not_begun() -> None:
    threads, go, begun = Threads(1), threading.Event(), []
    first = asyncio.create_task(threads.run(lambda: go.wait(5)))
    second = asyncio.create_task(threads.run(lambda: begun.append(1)))
    await asyncio.sleep(0.02)
    second.cancel()
    await asyncio.wait([second])
    go.set()
    await first
    assert await threads.run(lambda: 3) == 3
    assert begun == []


def test_the_threads_do_not_keep_the_process() -> None:
    async def main() -> None:
        await Threads(1).run(lambda: None)

    asyncio.run(main())
    found = [thread for thread in threading.enumerate() if thread.name.startswith("millrace-implementation")]
    assert found
    assert all(thread.daemon for thread in found)


async def test_two_jobs_of_one_moment_do_not_wait_for_each_other_though_one_thread_is_idle() -> None:
    threads, both = Threads(4), threading.Barrier(2)
    await threads.run(lambda: None)
    await asyncio.gather(threads.run(lambda: both.wait(5)), threads.run(lambda: both.wait(5)))
