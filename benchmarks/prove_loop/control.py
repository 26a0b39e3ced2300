"""What the storages must hold and the implementations must answer, by the rules in examples/movies/README.md.

This shares nothing with the product: plain dictionaries over rows of (user, item, stars, seconds).
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Row = tuple[str, str, int, float]
HALF_LIFE = 30 * 86_400.0
LIKED, TOGETHER, KEPT, NEIGHBOURS = 4, 15, 1_000, 100


class Control:
    """Learns one rating at a time; rows are computed when asked for."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.likes: dict[str, list[float]] = defaultdict(list)
        """Film -> seconds of each like."""
        self.pairs: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.viewers: dict[str, int] = defaultdict(int)
        self.stars: dict[str, dict[str, int]] = defaultdict(dict)
        """User -> film -> stars, the last rated film last."""
        self.ratings: dict[str, int] = defaultdict(int)
        self.newest = 0.0
        """Seconds of the newest like, which decayed scores are as of."""
        for row in rows:
            self.learn(*row)

    def learn(self, user: str, item: str, stars: int, seconds: float) -> None:
        """One rating."""
        self.ratings[user] += 1
        rated = self.stars[user]
        if stars >= LIKED:
            self.newest = max(self.newest, seconds)
            self.likes[item].append(seconds)
            if rated.get(item, 0) < LIKED:
                self.viewers[item] += 1
                for other in self.liked(user)[:TOGETHER]:
                    self.pairs[item][other] += 1
                    self.pairs[other][item] += 1
        rated.pop(item, None)
        rated[item] = stars
        while len(rated) > KEPT:
            del rated[next(iter(rated))]

    def liked(self, user: str) -> list[str]:
        """Films that the viewer likes, last rated first."""
        return [film for film, stars in reversed(self.stars[user].items()) if stars >= LIKED]

    def popular(self, at: float | None = None) -> dict[str, float]:
        """Decayed likes of each film, as of `at` (the newest rating's time when left out)."""
        now = self.newest if at is None else at
        return {
            film: math.fsum(2.0 ** ((seconds - now) / HALF_LIFE) for seconds in times)
            for film, times in self.likes.items()
        }

    def popular_scores(self, user: str) -> dict[str, float]:
        """Of every film that this viewer has not rated."""
        return {film: score for film, score in self.popular().items() if film not in self.stars[user]}

    def similar_scores(self, user: str, depth: int, fading: float) -> dict[str, float]:
        """Cosine with the last liked films; popular films without any follow after all others."""
        popular = self.popular_scores(user)
        total = math.fsum(popular.values()) + 1
        scores = {film: score / total - 1 for film, score in popular.items()}
        for place, film in enumerate(self.liked(user)[:depth]):
            nearest = sorted(self.pairs[film].items(), key=lambda pair: (-pair[1], pair[0]))[:NEIGHBOURS]
            for other, count in nearest:
                if other not in self.stars[user]:
                    norm = math.sqrt((self.viewers[film] + 5) * (self.viewers[other] + 5))
                    scores[other] = max(scores[other], 0.0) + fading**place * count / norm
        return scores

    def scores(self, implementation: str, user: str) -> dict[str, float]:
        """By implementation's name."""
        match implementation:
            case "popular_now":
                return self.popular_scores(user)
            case "because_you_watched":
                return self.similar_scores(user, 5, 1.0)
            case "personal":
                return self.similar_scores(user, 12, 0.85)
        raise ValueError(implementation)


def events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a producer's file, in the order they were emitted."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def rating_row(event: dict[str, Any]) -> Row:
    """A rating of the file as the control learns it; times at the milliseconds that Avro keeps."""
    at = datetime.fromisoformat(event["at"]).timestamp()
    return event["user"], event["item"], int(event["stars"]), math.floor(at * 1000 + 1e-6) / 1000
