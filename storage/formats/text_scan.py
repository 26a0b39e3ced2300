"""The rows that fit some words best, by looking at all of them: for a memory's few. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from storage.formats.document_row import searched, words

_SATURATION, _LENGTHS = 1.2, 0.75


def matching(rows: Iterable[tuple[str, bytes]], text: str, size: int, fields: Sequence[str]) -> list[tuple[str, float]]:
    """Of (key, row) the `size` that have some of the words, with their relevance, best first, ties by key.

    Relevance is BM25 (Robertson and Zaragoza 2009, section 3.4) with the logarithm of Lucene, which is never negative.
    """
    counted = {key: Counter(words(" ".join(searched(row, fields)))) for key, row in rows}
    average = sum(count.total() for count in counted.values()) / max(1, len(counted))
    found: dict[str, float] = {}
    for word in dict.fromkeys(words(text)):
        having = [key for key, count in counted.items() if word in count]
        rarity = math.log(1 + (len(counted) - len(having) + 0.5) / (len(having) + 0.5))
        for key in having:
            often, length = counted[key][word], counted[key].total() / average
            weight = often * (_SATURATION + 1) / (often + _SATURATION * (1 - _LENGTHS + _LENGTHS * length))
            found[key] = found.get(key, 0.0) + rarity * weight
    return sorted(found.items(), key=lambda scored: (-scored[1], scored[0]))[: max(0, size)]
