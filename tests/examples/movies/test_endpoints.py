"""What the implementations answer is what plain Python answers by the rules of the README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from benchmarks.prove_loop.control import Control
from learners import Replay
from millrace.product import Product
from serving import EndpointType, Experiment, Service, run_golden
from storage import Catalogue, Descriptor, MemoryReads, StorageUnavailable
from storage.address import Address
from storage.technology import Newest
from tests.serving.shop import Kafka, Shop

EVENTS = 6_000


@pytest.fixture(scope="module")
def learned(movies: Product, dataset: ModuleType) -> tuple[Replay, Control]:
    replay, control = Replay(movies.learners, movies.event_types, partitions=3), Control()
    ratings = dataset.ratings()[:EVENTS]
    replay.fold("items", dataset.films())
    for start in range(0, EVENTS, 500):
        replay.fold("ratings", ratings[start : start + 500])
    for rating in ratings:
        control.learn(rating.user, rating.item, rating.stars, rating.at.timestamp())
    return replay, control


class Holed(MemoryReads):
    """A memory of which some storages cannot be read."""

    away: frozenset[str] = frozenset()

    async def top(
        self, descriptor: Descriptor, rows: Sequence[Address], size: int
    ) -> tuple[Newest, list[list[tuple[str, float]]]]:
        if descriptor.name in self.away:
            raise StorageUnavailable(f"{descriptor.storage} does not answer")
        return await super().top(descriptor, rows, size)


@pytest.fixture
async def catalogue(learned: tuple[Replay, Control]) -> Catalogue:
    catalogue = Catalogue({"memory": MemoryReads(learned[0].memory)})
    await catalogue.refresh()
    return catalogue


def endpoint(movies: Product, name: str) -> EndpointType[Any, Any]:
    return next(item for item in movies.endpoints if item.name == name)


@pytest.mark.parametrize("implementation", ["popular_now", "because_you_watched", "personal"])
async def test_each_implementation_answers_the_best_films_by_its_rule(
    movies: Product, learned: tuple[Replay, Control], catalogue: Catalogue, implementation: str
) -> None:
    control, recommend = learned[1], endpoint(movies, "recommend")
    ask = recommend.implementations[implementation].bind(catalogue)
    for user in [*list(control.stars)[::9], "nobody"]:
        answer = await ask(recommend.request(user=user))
        scores = control.scores(implementation, user)
        found = [scores[item.id] for item in answer.items]
        wanted = sorted(scores.values(), reverse=True)[:10]
        assert all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(found, wanted, strict=True)), user
        assert answer.because == ([] if implementation == "popular_now" else control.liked(user)[: len(answer.because)])


@pytest.mark.parametrize(
    ("away", "by"), [({"co_watched"}, "popular_now"), ({"co_watched", "popular"}, "default"), (set(), None)]
)
async def test_what_is_popular_answers_in_place_of_a_personal_answer_and_nothing_in_place_of_that(
    movies: Product, learned: tuple[Replay, Control], away: set[str], by: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint(movies, "recommend"), "deadline", timedelta(minutes=1))
    user = next(user for user in learned[1].stars if learned[1].liked(user))
    reads = Holed(learned[0].memory)
    reads.away = frozenset(away)
    only_personal = Experiment("recommend", "recommend", {"personal": 1}, "liked")
    service = Service(movies.endpoints, Catalogue({"memory": reads}), Kafka(), experiments=[only_personal])
    async with Shop().running(service) as client:
        answer = await client.post("/v1/recommend", json={"user": user})

    assert (answer.status_code, answer.headers.get("millrace-fallback")) == (200, by)
    assert len(answer.json()["items"]) == (0 if by == "default" else 10)
    assert bool(answer.json()["because"]) is (by is None)


async def test_a_category_holds_only_its_films(movies: Product, catalogue: Catalogue) -> None:
    recommend, titles = endpoint(movies, "recommend"), endpoint(movies, "titles")
    ask = recommend.implementations["personal"].bind(catalogue)
    known = titles.implementations["known_films"].bind(catalogue)
    answer = await ask(recommend.request(user="196", category="Comedy", size=5))
    films = (await known(titles.request([item.id for item in answer.items]))).films
    assert len(films) == 5
    assert all("Comedy" in film.genres for film in films)


async def test_viewers_are_the_most_active_with_the_genres_they_like(
    movies: Product, learned: tuple[Replay, Control], catalogue: Catalogue
) -> None:
    viewers = endpoint(movies, "viewers")
    answer = await viewers.implementations["most_active"].bind(catalogue)(viewers.request(3))
    wanted = sorted(learned[1].ratings.items(), key=lambda item: (-item[1], item[0]))[:3]
    assert [viewer.id for viewer in answer.viewers] == [user for user, _ in wanted]
    assert all(len(viewer.genres) == 3 for viewer in answer.viewers)


async def test_the_golden_requests_hold_over_full_and_over_empty_storages(
    movies: Product, catalogue: Catalogue
) -> None:
    assert await run_golden(movies.endpoints, catalogue) == []
    empty = Catalogue({"memory": MemoryReads(Replay(movies.learners, movies.event_types).memory)})
    await empty.refresh()
    assert await run_golden(movies.endpoints, empty) == []
