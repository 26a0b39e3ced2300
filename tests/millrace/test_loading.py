"""`millrace storages load` as a process: what it says, and that it may be ended at any moment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from storage import Redis, RedisReads
from storage.descriptor import Descriptor
from storage.loads.descriptor import Given
from storage.loads.load import load
from tests.millrace.command_line import Done, run
from tests.waiting import until

PLACE = "redis/ranking/popular"


@pytest.fixture
def technology(redis_clean: str) -> Iterator[Redis]:
    """An empty Redis."""
    opened = Redis(redis_clean, timeout=20)
    yield opened
    opened.close()


def command(url: str, *arguments: str) -> subprocess.Popen[str]:
    """A real process."""
    return subprocess.Popen(
        [sys.executable, "-m", "millrace", "storages", "load", *arguments],
        env={**os.environ, "MILLRACE_REDIS_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(url: str, *arguments: str) -> Done:
    """Exit code and what a load to PLACE said."""
    return run(Path.cwd(), "storages", "load", PLACE, *arguments, variables={"MILLRACE_REDIS_URL": url})


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code and what it said, when it has ended."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def ranking(path: Path, rows: int, score: float) -> Path:
    """A file of so many rows."""
    numbers = pl.arange(0, rows, eager=True).alias("n")
    frame = pl.DataFrame(numbers).select(
        key=pl.format("k{}", pl.col("n") // 20), member=pl.format("m{}", "n"), score=pl.lit(score)
    )
    frame.write_csv(path)
    return path


def loading(technology: Redis) -> Descriptor | None:
    """The version that is being filled, once it has rows."""
    found = [item for item in technology.storages() if item.state == "filling"]
    return next((item for item in found for _ in technology.dump(item)), None)


def test_it_says_what_it_has_done_to_people_and_to_programs(
    technology: Redis, redis_clean: str, tmp_path: Path
) -> None:
    file = ranking(tmp_path / "popular.csv", 30, 1.5)
    code, out, err = said(redis_clean, str(file))
    assert (code, err) == (0, "")
    assert out.startswith(f"Loaded 30 rows of popular.csv into {PLACE}@1 in ")
    assert out.endswith("popular stands for it now.\n")
    code, out, err = said(redis_clean, str(file), "--output", "json")
    found = json.loads(out)
    assert (code, err, found["storage"], found["rows"]) == (0, "", f"{PLACE}@2", 30)
    assert (found["stands_for"], found["before"]) == (2, 1)
    code, out, err = said(redis_clean, str(file))
    assert f"and stood for @2. Back to that: millrace storages rollback {PLACE}" in out
    code, out, err = said(redis_clean, str(file), "--keep")
    assert f"popular still stands for @3. Switch to it: millrace storages switch {PLACE}@4" in out


def test_a_wrong_file_is_one_sentence_and_exit_code_1(redis_clean: str, tmp_path: Path) -> None:
    file = tmp_path / "popular.csv"
    file.write_text("key,member,score\na,x,1\na,y,high\n")
    code, out, err = said(redis_clean, str(file))
    assert (code, out) == (1, "")
    assert err == "millrace: popular.csv, line 3, column 'score': found 'high', expected a finite number.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_load_that_is_told_to_stop_leaves_nothing(
    technology: Redis, redis_clean: str, tmp_path: Path, number: signal.Signals
) -> None:
    load(technology, "ranking", "popular", ranking(tmp_path / "old.csv", 3, 1.0), Given(), "ada")
    before = keys(redis_clean)
    process = command(redis_clean, PLACE, str(ranking(tmp_path / "new.csv", 600_000, 2.0)))
    until(lambda: loading(technology) is not None)
    process.send_signal(number)
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out) == (128 + number, "")
    assert "Stopping" in err
    assert [item.version for item in technology.storages()] == [1]
    assert keys(redis_clean) == before
    assert serving(technology, redis_clean) == 1.0


def test_a_load_that_is_killed_leaves_the_old_version_serving_and_the_next_erases_it(
    technology: Redis, redis_clean: str, tmp_path: Path
) -> None:
    old = ranking(tmp_path / "old.csv", 3, 1.0)
    load(technology, "ranking", "popular", old, Given(), "ada")
    before = keys(redis_clean)
    process = command(redis_clean, PLACE, str(ranking(tmp_path / "new.csv", 600_000, 2.0)))
    until(lambda: loading(technology) is not None)
    process.kill()
    ended(process)
    left = loading(technology)
    assert left is not None
    assert serving(technology, redis_clean) == 1.0
    assert technology.alter(left, replace(left, alive_ms=(left.alive_ms or 0) - 16 * 60_000)), "time goes by"
    done = load(technology, "ranking", "popular", old, Given(), "ada")
    assert [item.version for item in technology.storages()] == [1, done.descriptor.version]
    assert next(technology.dump(left), None) is None
    assert keys(redis_clean) <= 2 * before, "two versions and the catalogue"


def serving(technology: Redis, url: str) -> float | None:
    """The score that readers of the name get now."""

    async def asked() -> float | None:
        from storage import Catalogue, RankingReader

        reads = RedisReads(url)
        try:
            catalogue = Catalogue({"redis": reads})
            await catalogue.refresh()
            return await catalogue.reader(RankingReader, "popular").score("k0", "m0")
        finally:
            await reads.close()

    return asyncio.run(asked())


def keys(url: str) -> int:
    """How many keys the database has, whoever wrote them."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 6379), timeout=5.0) as connection:
        connection.sendall(b"DBSIZE\r\n")
        return int(connection.recv(64)[1:])
