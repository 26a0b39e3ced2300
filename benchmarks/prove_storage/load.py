"""What `millrace storages load` costs beside each technology's own bulk path, from the same Parquet file.

A ranking of 400,000 rows, 20 members for each of 20,000 users, is loaded whole: from the file to the moment when its
name stands for it, with every check of every value, the row count and the heartbeat. The other side is what a sensible
engineer writes for this one file, without checks or versions:

- Redis: the file read at once, one ZADD for each user, 10,000 rows in a pipeline;
- PostgreSQL: the file read at once, one COPY into a table with the columns, primary key and index of ours.

Both begin with the file, and take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import psycopg
import redis

from benchmarks.report import say
from storage import versions
from storage.loads.descriptor import Given
from storage.loads.load import load
from storage.relational.postgresql_server import TYPES
from storage.relational.tables import Table, created
from storage.technologies import opened
from storage.technology import Technology

KEYS, MEMBERS = 20_000, 20
ROUNDS = 5
_IN_ONE_PIPELINE = 10_000


def measure(redis_url: str, postgresql_url: str | None, rounds: int = ROUNDS) -> float:
    """Rows per second of a load beside those of the bulk path: the smaller ratio of the technologies.

    Leaves nothing but an empty catalogue in databases that should be empty and its own.

    Args:
        postgresql_url: None = only Redis is measured.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "popular.parquet"
        _table().write_parquet(file)
        ratios = [_ratio("redis", redis_url, file, lambda: _zadd(redis_url, file), rounds)]
        if postgresql_url is not None:
            ratios.append(_ratio("relational", postgresql_url, file, lambda: _copy(postgresql_url, file), rounds))
    return min(ratios)


def _ratio(name: str, url: str, file: Path, native: Callable[[], float], rounds: int) -> float:
    ours = theirs = 0.0
    with closing(opened(name, url)) as technology:
        for number in range(rounds + 1):
            spent = [_loaded(technology, file), native()] if number % 2 else [native(), _loaded(technology, file)][::-1]
            if number:  # the first is for caches
                ours, theirs = ours + spent[0], theirs + spent[1]
    rows = KEYS * MEMBERS * rounds
    say(f"{name}: {rows / ours:,.0f} rows/s loaded, {rows / theirs:,.0f} by its bulk path, {theirs / ours:.2f}x")
    return theirs / ours


def _loaded(technology: Technology, file: Path) -> float:
    start = time.perf_counter()
    done = load(technology, "ranking", "popular", file, Given(), "benchmark")
    spent = time.perf_counter() - start
    if done.rows != KEYS * MEMBERS or done.alias is None or done.alias.version != done.descriptor.version:
        raise RuntimeError(f"The load ended with {done}.")
    versions.delete(technology, "ranking", "popular")
    return spent


def _zadd(url: str, file: Path) -> float:
    """Seconds of pipelined ZADD."""
    with redis.Redis.from_url(url, protocol=2) as client:
        start = time.perf_counter()
        pipeline, waiting = client.pipeline(transaction=False), 0
        grouped = pl.read_parquet(file).group_by("key", maintain_order=True).agg("member", "score")
        for key, members, scores in grouped.iter_rows():
            pipeline.zadd(f"plain:{key}", dict(zip(members, scores, strict=True)))
            waiting += len(members)
            if waiting >= _IN_ONE_PIPELINE:
                pipeline.execute()
                waiting = 0
        pipeline.execute()
        spent = time.perf_counter() - start
        for page in range(0, KEYS, 1_000):
            client.unlink(*(f"plain:u{number}" for number in range(page, page + 1_000)))
    return spent


def _copy(url: str, file: Path) -> float:
    """Seconds of one COPY."""
    table = Table(0, "scores")
    with psycopg.connect(url) as connection:
        for statement in created(table, TYPES, ""):
            connection.execute(statement)
        connection.commit()
        start = time.perf_counter()
        rows = pl.read_parquet(file).select("key", pl.lit(0).alias("bucket"), "member", "score")
        with connection.cursor() as cursor, cursor.copy(f"COPY {table.name} FROM STDIN (FORMAT CSV)") as copy:
            copy.write(rows.write_csv(include_header=False).encode())
        connection.commit()
        spent = time.perf_counter() - start
        connection.execute(f"DROP TABLE {table.name}")
    return spent


def _table() -> pl.DataFrame:
    number = pl.int_range(0, KEYS * MEMBERS, eager=True).alias("n")
    return pl.DataFrame(number).select(
        key=pl.format("u{}", pl.col("n") // MEMBERS),
        member=pl.format("item{}", pl.col("n") * 7_919 % 50_021),
        score=(pl.col("n") * 2_654_435_761 % 1_000_003) / 1_000.0,
    )
