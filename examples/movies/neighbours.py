"""Which films are near to those that a viewer likes: item-to-item cosine over the pairs that `CoWatched` counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import sqrt

import millrace as mr

NEIGHBOURS = 100
"""So many neighbours are read per film."""
SHRINKAGE = 5.0
"""Added to every film's count of viewers, so that two films with two viewers in common are not called twins."""


async def similar(
    liked_films: Mapping[str, float], hidden: Collection[str], co_watched: mr.RankingReader, liked: mr.RankingReader
) -> list[tuple[str, float]]:
    """The neighbours of some films with their scores, best first; ties by id.

    score(j) = sum over i of weight(i) * pairs(i, j) / sqrt((viewers(i) + s) * (viewers(j) + s)): the cosine of two
    films' sets of viewers, shrunk by s (Sarwar et al. 2001, section 3.1.1; Bell and Koren 2007, section 3).

    Two reads, one after the other: the films' neighbours, then all these films' counts of viewers.

    Args:
        liked_films: film -> weight.
        hidden: films that are left out of the answer.
    """
    if not liked_films:
        return []
    films = list(liked_films)
    rows = dict(zip(films, await co_watched.top_many(films, NEIGHBOURS), strict=True))
    candidates = list({member for row in rows.values() for member, _ in row if member not in hidden})
    counts = await liked.scores("all", films + candidates)
    norm = {film: sqrt((count or 0.0) + SHRINKAGE) for film, count in zip(films + candidates, counts, strict=True)}
    scores = dict.fromkeys(candidates, 0.0)
    for film, row in rows.items():
        weight = liked_films[film] / norm[film]
        for member, pairs in row:
            if member in scores:
                scores[member] += weight * pairs / norm[member]
    return sorted(scores.items(), key=_best_first)


def _best_first(scored: tuple[str, float]) -> tuple[float, str]:
    return -scored[1], scored[0]
