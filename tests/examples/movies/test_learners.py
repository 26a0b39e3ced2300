import math
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from benchmarks.prove_loop.control import Control, Row
from millrace.product import Product

PREFIX = 5000


@pytest.fixture(scope="module")
def rows(dataset: ModuleType) -> list[Row]:
    """The first ratings, and then some films rated again by the same viewers, otherwise."""
    first = [(r.user, r.item, r.stars, r.at.timestamp()) for r in dataset.ratings()[:PREFIX]]
    again = [(user, item, 6 - stars, seconds + 1e6) for user, item, stars, seconds in first[::7]]
    return first + again


@pytest.fixture(scope="module")
def control(rows: list[Row]) -> Control:
    return Control(rows)


def replayed(movies: Product, learner: str, rows: list[Row], partitions: int = 4) -> dict[str, pl.DataFrame]:
    event_type = movies.event_types["ratings"]
    columns = dict(zip(("user", "item", "stars"), zip(*[row[:3] for row in rows], strict=True), strict=True))
    at = pl.Series("at", [round(row[3] * 1000) for row in rows]).cast(event_type.frame_schema["at"])
    frame = pl.DataFrame({**columns, "at": at, "decision": [None] * len(rows)}, schema=event_type.frame_schema)
    found: Any = next(item for item in movies.learners if item.__name__ == learner)
    return found.replay(frame, partitions=partitions, event_types=movies.event_types)  # type: ignore[no-any-return]


def scores(frame: pl.DataFrame) -> dict[tuple[str, str], float]:
    return {(key, member): score for key, member, score in frame.select("key", "member", "score").iter_rows()}


def test_co_watched_counts_are_what_plain_python_counts(movies: Product, rows: list[Row], control: Control) -> None:
    found = replayed(movies, "CoWatched", rows)
    wanted = {(a, b): count for a, row in control.pairs.items() for b, count in row.items()}
    assert scores(found["co_watched"]) == wanted
    assert scores(found["liked"]) == {("all", film): count for film, count in control.viewers.items()}


def test_histories_hold_each_rated_film_once_the_last_at_the_end(
    movies: Product, rows: list[Row], control: Control
) -> None:
    found = replayed(movies, "CoWatched", rows)["viewer_history"]
    histories = {row["user"]: dict(zip(row["items"], row["stars"], strict=True)) for row in found.iter_rows(named=True)}
    assert histories == control.stars
    assert all(list(histories[user]) == list(stars) for user, stars in control.stars.items())


def test_popular_is_the_decayed_sum_of_likes(movies: Product, rows: list[Row], control: Control) -> None:
    found = scores(replayed(movies, "Popular", rows)["popular"])
    wanted = control.popular()
    assert {film for _, film in found} == set(wanted)
    assert all(math.isclose(score, wanted[film], rel_tol=1e-9) for (_, film), score in found.items())


def test_active_viewers_are_counted_by_rating(movies: Product, rows: list[Row]) -> None:
    found = scores(replayed(movies, "ActiveViewers", rows)["active_viewers"])
    assert sum(found.values()) == len(rows)
    assert found["all", rows[0][0]] == sum(row[0] == rows[0][0] for row in rows)


def test_a_history_keeps_the_last_thousand_films(movies: Product) -> None:
    viewed: Any = movies.module("learners").Viewed("u", [], [])
    for number in range(1005):
        viewed = viewed.rated(str(number), 5)
    assert viewed.items == [str(number) for number in range(5, 1005)]
    assert viewed.liked(2) == ["1004", "1003"]
    assert not viewed.rated("1004", 1).likes("1004")
