"""Scores decay by event time, whatever the order of events and wherever batches end."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import Address, Memory, MemoryReads, Newest, Ranking, RankingReader, UnitId, Writes, to_frame
from storage.formats.decay import HALF_LIVES, Decay, bucket_of
from storage.reader import Located
from tests.storage.form_stage import START, FormStage, ask

HALF_LIFE = timedelta(hours=1)
H = 3_600_000
BUCKET = HALF_LIVES * H

events = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5 * BUCKET), st.floats(0.01, 100.0)), min_size=1, max_size=40
)
near = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, BUCKET), st.floats(0.01, 100.0)), min_size=1, max_size=40
)


def frame(rows: list[tuple[str, int, float]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "list": ["all"] * len(rows),
            "item": [item for item, _, _ in rows],
            "at": [START + timedelta(milliseconds=at) for _, at, _ in rows],
            "weight": [weight for _, _, weight in rows],
        },
        schema={"list": pl.String, "item": pl.String, "at": pl.Datetime("ms", "UTC"), "weight": pl.Float64},
    )


def learned(rows: list[tuple[str, int, float]], cuts: list[int], one_by_one: bool = False) -> FormStage:
    stage, form = FormStage(), Ranking("trend", half_life=HALF_LIFE)
    bound = form.bind(stage.session)
    for start, stop in pairwise([0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]):
        if one_by_one:
            for item, at, weight in rows[start:stop]:
                bound.add_one("all", item, weight, START + timedelta(milliseconds=at))
        else:
            bound.add(frame(rows[start:stop]), key="list", member="item", weight="weight", at="at")
        stage.commit()
    return stage


def direct(rows: list[tuple[str, int, float]]) -> dict[str, float]:
    """By the definition, over what lies in the newest bucket of event time and the one before."""
    start = round(START.timestamp() * 1000)
    newest = max(at for _, at, _ in rows)
    oldest = bucket_of(start + newest, H) - 1
    parts: dict[str, list[float]] = {}
    for item, at, weight in rows:
        if bucket_of(start + at, H) >= oldest:
            parts.setdefault(item, []).append(weight * 2.0 ** ((at - newest) / H))
    return {item: math.fsum(weights) for item, weights in parts.items()}


@given(events | near, st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_the_score_is_the_direct_sum_whatever_the_order_and_the_cuts(
    rows: list[tuple[str, int, float]], cuts: list[int], one_by_one: bool
) -> None:
    stage, form = learned(rows, cuts, one_by_one), Ranking("trend", half_life=HALF_LIFE)
    expected = direct(rows)
    top = ask(stage.reader(RankingReader, form).top("all", 100))
    assert dict(top) == pytest.approx(expected, rel=1e-9)
    shown = to_frame(form, stage.technology, stage.describe(form))
    assert dict(zip(shown["member"], shown["score"], strict=True)) == pytest.approx(expected, rel=1e-9)


@given(events)
def test_what_is_left_out_weighs_less_than_two_to_the_minus_32_of_its_weight(
    rows: list[tuple[str, int, float]],
) -> None:
    newest = max(at for _, at, _ in rows)
    whole = math.fsum(weight * 2.0 ** ((at - newest) / H) for _, at, weight in rows)
    assert whole - math.fsum(direct(rows).values()) <= 2.0**-HALF_LIVES * sum(weight for _, _, weight in rows) + 1e-9


@given(events | near, st.integers(1, 9))
def test_a_short_top_is_the_beginning_of_the_whole_order(rows: list[tuple[str, int, float]], size: int) -> None:
    reader = learned(rows, []).reader(RankingReader, Ranking("trend", half_life=HALF_LIFE))
    whole = ask(reader.top("all", 100))
    assert ask(reader.top("all", size)) == whole[:size]
    assert whole == sorted(whole, key=lambda scored: (-scored[1], scored[0]))
    assert ask(reader.scores("all", [member for member, _ in whole])) == [score for _, score in whole]


def test_the_best_of_many_members_in_two_buckets_is_found_though_few_are_read() -> None:
    border = -(-round(START.timestamp() * 1000) // BUCKET) * BUCKET - round(START.timestamp() * 1000)
    rows = [(f"i{number:03}", border - 1, 100.0 + number) for number in range(300)]
    rows += [(f"i{number:03}", border + 1, 100.0 + (number * 7) % 300) for number in range(0, 300, 2)]
    reader = learned(rows, []).reader(RankingReader, Ranking("trend", half_life=HALF_LIFE))
    expected = sorted(direct(rows).items(), key=lambda scored: (-scored[1], scored[0]))
    for size in (1, 5, 50):
        found = ask(reader.top("all", size))
        assert [member for member, _ in found] == [member for member, _ in expected[:size]]


def test_a_reader_follows_event_time_into_the_next_bucket() -> None:
    stage, form = FormStage(), Ranking("trend", half_life=HALF_LIFE)
    bound, reader = form.bind(stage.session), stage.reader(RankingReader, form)
    assert ask(reader.top("all", 3)) == []
    for hours, expected in ((0, 1.0), (1, 1.5), (40, 1.0), (200, 1.0)):
        bound.add_one("all", "i", 1.0, START + timedelta(hours=hours))
        stage.commit()
        assert ask(reader.score("all", "i")) == pytest.approx(expected, rel=1e-9)


def test_a_weight_halves_with_each_half_life() -> None:
    decay = Decay(H)
    scales = [decay.scale(0, Newest(0, hours * H)) for hours in range(4)]
    assert scales == [1.0, 0.5, 0.25, 0.125]


class Late(MemoryReads):
    """Answers in the next turn of the event loop, as a server does: calls are under way beside one another."""

    async def top(self, *arguments: Any) -> Any:
        found = await super().top(*arguments)
        await asyncio.sleep(0)
        return found

    async def scores(self, *arguments: Any) -> Any:
        found = await super().scores(*arguments)
        await asyncio.sleep(0)
        return found


async def test_reads_beside_one_another_all_see_the_newest_bucket() -> None:
    memory, form = Memory(), Ranking("trend", half_life=timedelta(hours=1))
    descriptor = memory.declare(form.describe("learner", 1, 1, "clicks"))
    claim = memory.claim(UnitId("learner", 1, 1, "clicks", 0), "worker")
    reader = RankingReader(lambda: Located(Late(memory), descriptor))
    for position, hours in enumerate((0, 40)):  # in another bucket than before
        at = round(START.timestamp() * 1000) + hours * 3_600_000
        row = Address("ranking/trend", "all", bucket_of(at, 3_600_000))
        writes = Writes(scores={row: {f"at {hours}": 1.0}}, newest={"ranking/trend": at})
        memory.commit(claim, position or None, position + 1, writes, at)
        tops = await asyncio.gather(*(reader.top("all", 1) for _ in range(3)))
        assert [[member for member, _ in top] for top in tops] == [[f"at {hours}"]] * 3
        scores = await asyncio.gather(*(reader.score("all", f"at {hours}") for _ in range(3)))
        assert None not in scores
