"""A ranking that decays is loaded with every half-life that it may have, and one wrong time does not empty it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import Catalogue, FormatRefused, Memory, Ranking, RankingReader
from storage.errors import FileRefused
from storage.formats.ranking import LONGEST_HALF_LIFE
from storage.loads.descriptor import Given
from storage.loads.load import load
from storage.memory.reads import MemoryReads
from tests.storage.form_stage import START
from tests.storage.load_stage import KINDS, written

MILLISECOND = timedelta(milliseconds=1)


def decaying(half_life: timedelta) -> Memory:
    """A ranking "it" that decays, and that nobody has loaded yet."""
    memory = Memory()
    memory.declare(Ranking("it", half_life=half_life, technology="memory").describe("watching", 1, 1, "clicks"))
    return memory


def top(memory: Memory) -> list[tuple[str, float]]:
    """The members of the key "all"."""

    async def read() -> list[tuple[str, float]]:
        catalogue = Catalogue({"memory": MemoryReads(memory)})
        await catalogue.refresh()
        return await catalogue.reader(RankingReader, "it").top("all", 99)

    return asyncio.run(read())


@settings(max_examples=50)
@given(
    st.timedeltas(MILLISECOND, LONGEST_HALF_LIFE),
    st.lists(st.timedeltas(timedelta(days=-9000), timedelta(0)), min_size=1, max_size=4),
)
def test_every_half_life_that_is_taken_can_be_loaded(half_life: timedelta, ages: list[timedelta]) -> None:
    half_life -= half_life % MILLISECOND
    at = [START + age for age in ages]
    members = [f"m{row}" for row in range(len(at))]
    memory = decaying(half_life)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "t.parquet"
        pl.DataFrame({"key": "all", "member": members, "score": 1.0, "at": at}).write_parquet(file)
        assert load(memory, "ranking", "it", file, Given(), "ada").rows == len(at)
    newest = max(at) - timedelta(microseconds=max(at).microsecond % 1000)  # readers know it in milliseconds
    expected = {one: 2.0 ** -((newest - then) / half_life) for one, then in zip(members, at, strict=True)}
    found = dict(top(memory))
    for member, score in expected.items():
        assert found.get(member, 0.0) == pytest.approx(score, rel=1e-6, abs=2.0**-32)


@pytest.mark.parametrize("half_life", [LONGEST_HALF_LIFE + MILLISECOND, timedelta.max // MILLISECOND * MILLISECOND])
def test_a_half_life_of_more_than_a_hundred_years_is_refused(half_life: timedelta) -> None:
    with pytest.raises(FormatRefused, match="it is at most 36525 days"):
        Ranking("it", half_life=half_life)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=365 * 7000)])
def test_a_time_of_the_far_future_is_refused_and_the_others_stay(tmp_path: Path, kind: str, ahead: timedelta) -> None:
    memory, now = decaying(timedelta(hours=6)), datetime.now(UTC)
    load(memory, "ranking", "it", written(tmp_path, kind, columns(kind, [now, now])), Given(), "ada")
    place = {"csv": "line 3", "ndjson": "line 2"}.get(kind, "row 2")
    with pytest.raises(FileRefused, match=f"{place}, column 'at': found .*, expected a time that has come"):
        load(memory, "ranking", "it", written(tmp_path, kind, columns(kind, [now, now + ahead])), Given(), "ada")
    assert dict(top(memory)) == pytest.approx({"x": 1.0, "y": 1.0}, rel=1e-6)


def test_a_clock_that_is_some_hours_ahead_is_borne(tmp_path: Path) -> None:
    memory, now = decaying(timedelta(hours=6)), datetime.now(UTC)
    file = written(tmp_path, "parquet", columns("parquet", [now, now + timedelta(hours=23)]))
    assert load(memory, "ranking", "it", file, Given(), "ada").rows == 2


def columns(kind: str, at: list[datetime]) -> dict[str, list[object]]:
    """Two members of one key, as they were at these times."""
    times: list[object] = [then.isoformat() for then in at] if kind in ("csv", "ndjson") else list(at)
    return {"key": ["all"] * 2, "member": ["x", "y"], "score": [1.0, 1.0], "at": times}
