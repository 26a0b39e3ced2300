"""What a read costs on each technology, beside what a sensible engineer writes with its driver.

A request asks for three records of about 100 bytes; 32 requests are under way at once, as behind an HTTP service. The
other side reads the same bytes from a plain table of its own. Both take turns, and what counts is this process's CPU
time per request, which is stable; requests per second are said beside it.

- Redis: one HMGET for each request through redis.asyncio;
- SQLite: one SELECT .. WHERE key IN (..) in a thread, a connection for each thread;
- PostgreSQL: one SELECT .. WHERE key = ANY(..), through an asynchronous pool of eight connections;
- Cassandra: three prepared SELECTs through the driver's futures, each brought to the event loop by itself;
- OpenSearch: one mget through its asynchronous client.

    python -m benchmarks.prove_storage.readers [redis sqlite ...]
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import opensearchpy
import opensearchpy.helpers
import polars as pl
import psycopg_pool
import redis.asyncio
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.query import tuple_factory

from benchmarks.prove_storage.targets import TARGETS
from benchmarks.report import say
from millrace.stack import StackError
from storage.descriptor import Descriptor
from storage.loads.descriptor import Given
from storage.loads.load import load
from storage.technologies import opened, opened_reads

ROWS, ASKED, TOGETHER = 20_000, 3, 32
REQUESTS, ROUNDS = 2_000, 6
NAMES = ("redis", "sqlite", "postgresql", "cassandra", "search")

Keys = Sequence[str]
Rows = dict[str, bytes]
Read = Callable[[Keys], Awaitable[Sequence[bytes | None]]]


async def measure(name: str, url: str, folder: Path) -> float:
    """The driver's CPU time per request by ours, on one technology; the figures go to stderr.

    Leaves its rows in the database, which should be empty and its own.
    """
    target = TARGETS[name]
    descriptor = await asyncio.to_thread(_loaded, target.technology, url, folder)
    reads = opened_reads(target.technology, url)
    rows = await _rows(lambda keys: reads.rows(descriptor, keys))

    async def ours(keys: Keys) -> Sequence[bytes | None]:
        return await reads.rows(descriptor, keys)

    try:
        async with _PLAIN[name](url, rows) as theirs:
            spent = await _both(ours, theirs, rows)
    finally:
        await reads.close()
    (our_cpu, our_time), (their_cpu, their_time) = spent
    say(f"{name}: {our_cpu:.0f} us of CPU a request, {1e6 / our_time:,.0f} requests/s")
    say(f"{name} by its driver: {their_cpu:.0f} us of CPU a request, {1e6 / their_time:,.0f} requests/s")
    say(f"{name}: {their_cpu / our_cpu:.2f}x less CPU, {their_time / our_time:.2f}x as many requests/s")
    return their_cpu / our_cpu


async def _both(ours: Read, theirs: Read, rows: Rows) -> list[tuple[float, float]]:
    """CPU and wall time of a request in us, of each side."""
    spent = [(0.0, 0.0), (0.0, 0.0)]
    for number in range(ROUNDS + 1):
        for place in (0, 1) if number % 2 else (1, 0):
            cpu, wall = await _spent((ours, theirs)[place], rows, seed=number)
            if number:  # the first is for caches and compilers
                spent[place] = spent[place][0] + cpu, spent[place][1] + wall
    scale = 1e6 / (ROUNDS * REQUESTS)
    return [(cpu * scale, wall * scale) for cpu, wall in spent]


async def _spent(read: Read, rows: Rows, seed: int) -> tuple[float, float]:
    chance, names = random.Random(seed), list(rows)
    requests = iter([chance.sample(names, ASKED) for _ in range(REQUESTS)])

    async def ask() -> None:
        for keys in requests:
            if list(await read(keys)) != [rows[key] for key in keys]:
                raise RuntimeError(f"{keys} were read wrong.")

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(TOGETHER)))
    return time.process_time() - cpu, time.perf_counter() - wall


def _loaded(technology: str, url: str, folder: Path) -> Descriptor:
    file = folder / "profile.parquet"
    number = pl.int_range(0, ROWS, eager=True).alias("n")
    pl.DataFrame(number).select(
        key=pl.format("user-{}", pl.col("n")), name=pl.format("{}" + "x" * 90, pl.col("n")), seen=pl.col("n")
    ).write_parquet(file)
    with closing(opened(technology, url)) as into:
        return load(into, "records", "profile", file, Given(), "benchmark").descriptor


async def _rows(read: Read) -> Rows:
    keys = [f"user-{number}" for number in range(ROWS)]
    found: Rows = {}
    for start in range(0, ROWS, 500):
        page = keys[start : start + 500]
        found.update({key: row for key, row in zip(page, await read(page), strict=True) if row is not None})
    if len(found) != ROWS:
        raise RuntimeError(f"{len(found)} of {ROWS} rows are there.")
    return found


@asynccontextmanager
async def _plain_redis(url: str, rows: Rows) -> AsyncIterator[Read]:
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.hset("plain", mapping=rows)  # type: ignore[misc]

        async def read(keys: Keys) -> Sequence[bytes | None]:
            return await client.hmget("plain", list(keys))  # type: ignore[misc,no-any-return]

        yield read


@asynccontextmanager
async def _plain_sqlite(url: str, rows: Rows) -> AsyncIterator[Read]:
    file, threads = Path(urlsplit(url).path).with_name("plain.db"), threading.local()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE plain (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        connection.executemany("INSERT INTO plain VALUES (?, ?)", rows.items())

    def select(keys: Keys) -> Sequence[bytes | None]:
        if not hasattr(threads, "connection"):
            threads.connection = sqlite3.connect(file)
        marks = ",".join("?" * len(keys))
        found = dict(threads.connection.execute(f"SELECT key, value FROM plain WHERE key IN ({marks})", keys))
        return [found.get(key) for key in keys]

    yield lambda keys: asyncio.to_thread(select, keys)


@asynccontextmanager
async def _plain_postgresql(url: str, rows: Rows) -> AsyncIterator[Read]:
    async with psycopg_pool.AsyncConnectionPool(url, min_size=8, max_size=8, open=False) as pool:
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE plain (key TEXT PRIMARY KEY, value BYTEA)")
            async with connection.cursor() as cursor:
                await cursor.executemany("INSERT INTO plain VALUES (%s, %s)", list(rows.items()))

        async def read(keys: Keys) -> Sequence[bytes | None]:
            async with pool.connection() as connection:
                statement = "SELECT key, value FROM plain WHERE key = ANY(%s)"
                found: dict[str, bytes] = dict(await (await connection.execute(statement, [list(keys)])).fetchall())
            return [found.get(key) for key in keys]

        yield read


@asynccontextmanager
async def _plain_cassandra(url: str, rows: Rows) -> AsyncIterator[Read]:
    parts = urlsplit(url)
    profile = ExecutionProfile(row_factory=tuple_factory)
    cluster = Cluster([parts.hostname], port=parts.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    with cluster.connect(parts.path.strip("/")) as session:
        session.execute("CREATE TABLE plain (key TEXT PRIMARY KEY, value BLOB)")
        insert = session.prepare("INSERT INTO plain (key, value) VALUES (?, ?)")
        select = session.prepare("SELECT value FROM plain WHERE key = ?")
        for sent in [session.execute_async(insert, pair) for pair in rows.items()]:
            sent.result()

        async def one(key: str) -> bytes | None:
            answer: Future[Any] = Future()
            session.execute_async(select, (key,)).add_callbacks(answer.set_result, answer.set_exception)
            found = await asyncio.wrap_future(answer)
            return found[0][0] if found else None

        async def read(keys: Keys) -> Sequence[bytes | None]:
            return await asyncio.gather(*(one(key) for key in keys))

        yield read
    cluster.shutdown()


@asynccontextmanager
async def _plain_search(url: str, rows: Rows) -> AsyncIterator[Read]:
    async with opensearchpy.AsyncOpenSearch(hosts=[url]) as client:
        mappings = {"properties": {"value": {"type": "binary"}}, "dynamic": False}
        await client.indices.create(index="plain", body={"mappings": mappings})
        documents = ({"_index": "plain", "_id": key, "value": row.hex()} for key, row in rows.items())
        await opensearchpy.helpers.async_bulk(client, documents)

        async def read(keys: Keys) -> Sequence[bytes | None]:
            answer = await client.mget(index="plain", body={"ids": list(keys)})
            return [bytes.fromhex(item["_source"]["value"]) if item["found"] else None for item in answer["docs"]]

        yield read


_PLAIN: dict[str, Callable[[str, Rows], AbstractAsyncContextManager[Read]]] = {
    "redis": _plain_redis,
    "sqlite": _plain_sqlite,
    "postgresql": _plain_postgresql,
    "cassandra": _plain_cassandra,
    "search": _plain_search,
}


def main() -> None:
    """Measure the technologies that are named, or all of them, one after the other."""
    for name in sys.argv[1:] or NAMES:
        with tempfile.TemporaryDirectory(prefix="millrace-readers-") as place:
            folder = Path(place)
            try:
                running = TARGETS[name].start(folder)
            except StackError as error:
                say(f"{name}: it cannot be started here: {error}")
                continue
            with closing(running):
                asyncio.run(measure(name, running.url, folder))


if __name__ == "__main__":
    main()
