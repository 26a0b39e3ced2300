from datetime import UTC, datetime
from itertools import pairwise
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import pytest

from millrace.product import Product


def test_the_data_set_has_all_its_ratings_films_and_viewers(dataset: ModuleType) -> None:
    ratings, films = dataset.ratings(), dataset.films()
    assert len(ratings) == 100_000
    assert len(films) == len({film.item for film in films}) == 1682
    assert len({rating.user for rating in ratings}) == 943
    assert {rating.item for rating in ratings} == {film.item for film in films}
    assert {rating.stars for rating in ratings} == {1, 2, 3, 4, 5}


def test_ratings_come_in_time_order_and_those_of_one_second_in_the_files_order(dataset: ModuleType) -> None:
    ratings = dataset.ratings()
    with ZipFile(dataset.wheel()) as archive:
        lines = archive.read("recbole/dataset_example/ml-100k/ml-100k.inter").decode().splitlines()[1:]
    place = {tuple(line.split("\t")[:2]): number for number, line in enumerate(lines)}
    for earlier, later in pairwise(ratings):
        assert earlier.at <= later.at
        if earlier.at == later.at:
            assert place[earlier.user, earlier.item] < place[later.user, later.item]
    assert ratings[0].at == datetime(1997, 9, 20, 3, 5, 10, tzinfo=UTC)


def test_a_shift_moves_all_times_by_one_constant_so_that_the_last_is_there(dataset: ModuleType) -> None:
    now = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=UTC)
    shifted, original = dataset.ratings(shift_to=now), dataset.ratings()
    assert shifted[-1].at == datetime(2026, 11, 24, 12, 0, 0, 123_000, tzinfo=UTC)
    assert len({one.at - other.at for one, other in zip(shifted, original, strict=True)}) == 1


def test_a_prefix_makes_other_viewers_of_the_same_ratings(dataset: ModuleType) -> None:
    again = dataset.ratings(prefix="again-")
    assert [rating.user.removeprefix("again-") for rating in again] == [rating.user for rating in dataset.ratings()]


def test_a_replay_gives_the_films_before_the_ratings(dataset: ModuleType) -> None:
    topics = [event.event_type.topic for event in dataset.events(shifted=False)]
    assert topics == ["items"] * 1682 + ["ratings"] * 100_000


@pytest.mark.parametrize(
    ("item", "title", "year", "genres"),
    [
        ("1", "Toy Story", 1995, ["Animation", "Children's", "Comedy"]),
        ("267", "Unknown film", None, []),
        ("1412", "Land Before Time III: The Time of the Great Giving", 1995, ["Animation", "Children's"]),
        ("1373", "Good Morning", 1971, []),
    ],
)
def test_films_have_title_year_and_genres(
    dataset: ModuleType, item: str, title: str, year: int | None, genres: list[str]
) -> None:
    film: Any = next(film for film in dataset.films() if film.item == item)
    assert (film.title, film.year, film.genres) == (title, year, genres)


def test_a_wheel_that_is_not_the_pinned_one_is_not_used(
    movies: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    module = movies.module("dataset")
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wrong = tmp_path / "datasets" / "recbole-1.2.1-py3-none-any.whl"
    wrong.parent.mkdir()
    wrong.write_bytes(b"something else")
    with pytest.raises(module.DatasetUnavailable, match="package index is reachable"):
        module.films()
