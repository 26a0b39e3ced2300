import asyncio
import time

from serving.measurements.source import Source


async def test_a_value_is_current_when_it_was_just_read() -> None:
    async def read() -> int:
        return 7

    source = Source("Redis", read)
    await source.refresh(1.0)

    connection = source.connection(time.time())
    assert source.current == 7
    assert connection.error is None
    assert connection.milliseconds is not None
    assert connection.answered is not None


async def test_a_read_that_fails_leaves_the_last_value_and_says_what_failed() -> None:
    answers = iter([7])

    async def read() -> int:
        try:
            return next(answers)
        except StopIteration:
            raise ConnectionError("connection refused") from None

    source = Source("Redis", read)
    await source.refresh(1.0)
    await source.refresh(1.0)

    assert source.current == 7
    assert source.connection(time.time()).error == "ConnectionError: connection refused"


async def test_a_slow_read_holds_nobody_up_and_counts_when_it_arrives() -> None:
    arrived, release = asyncio.Event(), asyncio.Event()
    reads = 0

    async def read() -> int:
        nonlocal reads
        reads += 1
        await release.wait()
        arrived.set()
        return reads

    source = Source("Kafka", read)
    await source.refresh(0.01)
    await source.refresh(0.01)
    assert source.current is None
    assert reads == 1

    release.set()
    await source.refresh(1.0)
    assert source.current == 1


async def test_an_old_value_is_no_longer_current() -> None:
    async def read() -> int:
        return 7

    source = Source("Kafka", read, every=60.0, fresh=0.0)
    await source.refresh(1.0)

    assert source.current is None
    assert source.connection(time.time()).answered is not None


async def test_a_source_is_read_no_more_often_than_it_wants() -> None:
    reads = []

    async def read() -> None:
        reads.append(1)

    source = Source("Registry", read, every=60.0)
    await source.refresh(1.0)
    await source.refresh(1.0)

    assert len(reads) == 1


async def test_closing_ends_a_read_that_is_still_running() -> None:
    async def read() -> None:
        await asyncio.Event().wait()

    source = Source("Kafka", read)
    await source.refresh(0.01)

    await asyncio.wait_for(source.close(), 60)
