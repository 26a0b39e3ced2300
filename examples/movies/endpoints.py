"""What live services may ask: recommendations in three implementations, films' titles, and the demo's viewers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Annotated

import msgspec

import millrace as mr

from .events import Film
from .learners import Viewed
from .neighbours import similar

DEPTH = 1000
"""So many films of a ranking are looked through at most: by a list of one category, or for a viewer who rated many."""
RECENT = 5
"""`because_you_watched` starts from so many films that the viewer liked last."""
TASTE = 12
"""`personal` starts from so many, each older one weighing less."""
FADING = 0.85
"""What a liked film weighs against the one liked after it."""


class Recommend(msgspec.Struct, frozen=True):
    """Asks for films that a viewer has not rated; `category` is a genre, or all."""

    user: str
    category: str = "all"
    size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class Item(msgspec.Struct, frozen=True):
    """A film and its score, which orders one answer and means nothing across answers."""

    id: str
    score: float


class Recommendations(msgspec.Struct, frozen=True):
    """Films, best first; `because` names the viewer's films that this answer used, last liked first."""

    items: list[Item]
    because: list[str] = []


class FilmIds(msgspec.Struct, frozen=True):
    """Asks for what is known of some films."""

    items: Annotated[list[str], msgspec.Meta(max_length=200)]


class Title(msgspec.Struct, frozen=True):
    """A film as a page shows it."""

    id: str
    title: str
    year: int | None
    genres: list[str]


class Titles(msgspec.Struct, frozen=True):
    """The films that are known, in the order asked for."""

    films: list[Title]


class ActiveViewers(msgspec.Struct, frozen=True):
    """Asks for the viewers who rate most."""

    size: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10


class Viewer(msgspec.Struct, frozen=True):
    """A viewer with the number of rated films and the genres of most of those liked lately."""

    id: str
    ratings: int
    genres: list[str]


class Viewers(msgspec.Struct, frozen=True):
    """Viewers, the most active first."""

    viewers: list[Viewer]


def in_order(size: int) -> Callable[[Recommendations], bool]:
    """What every answer must be, also over storages that are still empty: short enough, best first, nothing twice,
    nothing that the viewer has liked."""

    def holds(answer: Recommendations) -> bool:
        ids = [item.id for item in answer.items]
        best_first = all(one.score >= next_one.score for one, next_one in pairwise(answer.items))
        return len(ids) <= size and best_first and len({*ids, *answer.because}) == len(ids) + len(answer.because)

    return holds


recommend = mr.EndpointType(
    "recommend",
    Recommend,
    Recommendations,
    unit="user",
    deadline=timedelta(milliseconds=500),
    fallback="popular_now",
    default=Recommendations([]),
    golden=[
        mr.Golden(Recommend(user="196"), in_order(10)),
        mr.Golden(Recommend(user="196", category="Comedy", size=3), in_order(3)),
        mr.Golden(Recommend(user="nobody yet"), in_order(10)),
    ],
)


@recommend.implementation
async def popular_now(
    request: Recommend,
    popular: mr.RankingReader,
    viewer_history: mr.RecordsReader[Viewed],
    titles: mr.RecordsReader[Film],
) -> Recommendations:
    """What most viewers like at present."""
    viewed = await viewer_history.get(request.user)
    return Recommendations(await _most_popular(request, viewed.items if viewed else [], popular, titles))


@recommend.implementation
async def because_you_watched(
    request: Recommend,
    co_watched: mr.RankingReader,
    liked: mr.RankingReader,
    popular: mr.RankingReader,
    viewer_history: mr.RecordsReader[Viewed],
    titles: mr.RecordsReader[Film],
) -> Recommendations:
    """What is liked together with the films that the viewer liked last, each of them weighing the same."""
    viewed = await viewer_history.get(request.user) or Viewed(request.user, [], [])
    films = dict.fromkeys(viewed.liked(RECENT), 1.0)
    near = await similar(films, {*viewed.items}, co_watched, liked)
    return Recommendations(await _filled(request, near, viewed.items, popular, titles), because=list(films))


@recommend.implementation
async def personal(
    request: Recommend,
    co_watched: mr.RankingReader,
    liked: mr.RankingReader,
    popular: mr.RankingReader,
    viewer_history: mr.RecordsReader[Viewed],
    titles: mr.RecordsReader[Film],
) -> Recommendations:
    """What is liked together with all that the viewer liked of late, the last film weighing most."""
    viewed = await viewer_history.get(request.user) or Viewed(request.user, [], [])
    films = {film: FADING**place for place, film in enumerate(viewed.liked(TASTE))}
    near = await similar(films, {*viewed.items}, co_watched, liked)
    return Recommendations(await _filled(request, near, viewed.items, popular, titles), because=list(films))


async def _filled(
    request: Recommend,
    near: Sequence[tuple[str, float]],
    rated: Collection[str],
    popular: mr.RankingReader,
    titles: mr.RecordsReader[Film],
) -> list[Item]:
    """The best of `near`, and after them popular films where these are too few, with scores scaled to follow."""
    items = await _in_category(request, near, titles)
    if len(items) == request.size:
        return items
    more = await _most_popular(request, {*rated, *(item.id for item in items)}, popular, titles)
    scale = items[-1].score / more[0].score if items and more else 1.0
    return items + [Item(item.id, item.score * scale) for item in more[: request.size - len(items)]]


async def _most_popular(
    request: Recommend, hidden: Collection[str], popular: mr.RankingReader, titles: mr.RecordsReader[Film]
) -> list[Item]:
    deep_enough = request.size + len(hidden) if request.category == "all" else DEPTH
    out = {*hidden}
    top = await popular.top("all", min(deep_enough, DEPTH))
    return await _in_category(request, [scored for scored in top if scored[0] not in out], titles)


async def _in_category(
    request: Recommend, scored: Sequence[tuple[str, float]], titles: mr.RecordsReader[Film]
) -> list[Item]:
    """The first of these films that belong to the request's category; titles are read only for a genre."""
    if request.category != "all":
        films = await titles.get_many([film for film, _ in scored[:DEPTH]])
        genres = {film.item: film.genres for film in films if film is not None}
        scored = [(film, score) for film, score in scored if request.category in genres.get(film, ())]
    return [Item(film, score) for film, score in scored[: request.size]]


film_titles = mr.EndpointType(
    "titles",
    FilmIds,
    Titles,
    unit="items",
    deadline=timedelta(milliseconds=500),
    golden=[mr.Golden(FilmIds(["50", "no such film"]), lambda answer: len(answer.films) <= 1)],
)


@film_titles.implementation
async def known_films(request: FilmIds, titles: mr.RecordsReader[Film]) -> Titles:
    """What the catalogue says of these films."""
    films = await titles.get_many(request.items)
    return Titles([Title(film.item, film.title, film.year, film.genres) for film in films if film is not None])


active = mr.EndpointType(
    "viewers",
    ActiveViewers,
    Viewers,
    unit="size",
    deadline=timedelta(milliseconds=500),
    golden=[mr.Golden(ActiveViewers(3), lambda answer: len(answer.viewers) <= 3)],
)


@active.implementation
async def most_active(
    request: ActiveViewers,
    active_viewers: mr.RankingReader,
    viewer_history: mr.RecordsReader[Viewed],
    titles: mr.RecordsReader[Film],
) -> Viewers:
    """Those who rated most; their genres are counted over the 30 films that they liked last."""
    ids = [user for user, _ in await active_viewers.top("all", request.size)]
    found = [viewed for viewed in await viewer_history.get_many(ids) if viewed is not None]
    liked = {film for viewed in found for film in viewed.liked(30)}
    films = {film.item: film for film in await titles.get_many(sorted(liked)) if film is not None}
    return Viewers(
        [
            Viewer(viewed.user, len(viewed.items), _genres([films[film] for film in viewed.liked(30) if film in films]))
            for viewed in found
        ]
    )


def _genres(films: Sequence[Film]) -> list[str]:
    """The three genres of most of these films; ties by name."""
    counts = Counter(genre for film in films for genre in film.genres)
    return sorted(counts, key=lambda genre: (-counts[genre], genre))[:3]
