"""What the storages must hold and the implementations must answer, in plain Python from the rules of the README.

Nothing here is shared with the product: dictionaries over (user, item, stars, seconds) rows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

Row = tuple[str, str, int, float]
HALF_LIFE = 30 * 86_400.0


class Control:
    """Learns one rating at a time; rows are computed when asked for."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.likes: dict[str, list[tuple[str, float]]] = defaultdict(list)  # film -> (user, seconds)
        self.pairs: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.viewers: dict[str, int] = defaultdict(int)
        self.stars: dict[str, dict[str, int]] = defaultdict(dict)  # user -> film -> stars, last rated last
        self.newest = 0.0
        for row in rows:
            self.learn(*row)

    def learn(self, user: str, item: str, stars: int, seconds: float) -> None:
        self.newest = max(self.newest, seconds)
        rated = self.stars[user]
        if stars >= 4:
            self.likes[item].append((user, seconds))
            if rated.get(item, 0) < 4:
                self.viewers[item] += 1
                for other in self.liked(user)[:15]:
                    self.pairs[item][other] += 1
                    self.pairs[other][item] += 1
        rated.pop(item, None)
        rated[item] = stars

    def liked(self, user: str) -> list[str]:
        """Films that the viewer likes, last rated first."""
        return [film for film, stars in reversed(self.stars[user].items()) if stars >= 4]

    def popular(self) -> dict[str, float]:
        return {
            film: math.fsum(2.0 ** ((seconds - self.newest) / HALF_LIFE) for _, seconds in likes)
            for film, likes in self.likes.items()
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
            nearest = sorted(self.pairs[film].items(), key=lambda pair: (-pair[1], pair[0]))[:100]
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


def top_scores(scores: dict[str, float], size: int = 10) -> list[float]:
    """The best scores; which of two films with the same score comes first is left open by this control."""
    return sorted(scores.values(), reverse=True)[:size]


def hit(scores: dict[str, float], item: str, size: int = 10) -> tuple[bool, bool]:
    """Whether the item is among the best in any case, and whether it may be: scores may agree but for rounding."""
    if item not in scores:
        return False, False
    others = [score for film, score in scores.items() if film != item]
    ahead = sum(score > scores[item] + 1e-9 for score in others)
    level = sum(abs(score - scores[item]) <= 1e-9 for score in others)
    return ahead + level < size, ahead < size
